"""Prints the UIDs of the Storage SOP classes pynetdicom knows as JSON."""
import json

from pynetdicom import AllStoragePresentationContexts

print(json.dumps([str(context.abstract_syntax) for context in AllStoragePresentationContexts]))
