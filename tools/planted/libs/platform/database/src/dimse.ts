import 'dcmjs-dimse';
