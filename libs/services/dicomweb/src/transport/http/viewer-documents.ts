/**
 * Statements of the configuration that run before the viewer does. OHIF shows an encapsulated document (PS3.3 A.45) as an object of
 * the page, of the media type that stands in the instance: one that calls itself text/html would be a page of this origin, with its
 * scripts and with the token of who looks at it. What is shown is what can be looked at, listened to or worked with; everything else
 * is plain text, which runs nothing. What says no type is looked into by the browser, which may find a page in it, and a Blob says none
 * where it was given one that it cannot hold ("text/htmlé"): it is octets. Scripts of workers need no type.
 */
export const inertDocuments = `(() => {
  const shown = /^(application\\/(pdf|json|dicom|wasm|octet-stream|javascript)|text\\/(plain|csv|css|javascript)|(image|video|audio)\\/[a-z0-9.-]+)$/;
  const create = URL.createObjectURL.bind(URL);
  URL.createObjectURL = (of) => {
    if (!(of instanceof Blob)) return create(of);
    const type = of.type.split(';', 1)[0].trim().toLowerCase();
    if (shown.test(type)) return create(of);
    return create(new Blob([of], { type: type === '' ? 'application/octet-stream' : 'text/plain' }));
  };
})();
`;
