/**
 * Statements of the configuration that run before the viewer does. OHIF shows an encapsulated document (PS3.3 A.45) as an object of
 * the page, of the media type that stands in the instance: one that calls itself text/html would be a page of this origin, with its
 * scripts and with the token of who looks at it. What is shown is what can be looked at, listened to or worked with; everything else
 * is plain text, which runs nothing.
 */
export const inertDocuments = `(() => {
  const shown = /^(|application\\/(pdf|json|dicom|wasm|octet-stream|javascript)|text\\/(plain|csv|css|javascript)|(image|video|audio)\\/[a-z0-9.-]+)$/;
  const create = URL.createObjectURL.bind(URL);
  URL.createObjectURL = (of) => {
    const type = of instanceof Blob ? of.type.split(';', 1)[0].trim().toLowerCase() : '';
    return create(shown.test(type) ? of : new Blob([of], { type: 'text/plain' }));
  };
})();
`;
