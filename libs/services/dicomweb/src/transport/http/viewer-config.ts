/** How people sign in at the viewer; undefined where nobody is asked who they are. */
export interface ViewerSignIn {
  readonly issuer: string;
  readonly audience: string;
  readonly clientId: string;
  readonly scope: string;
}

/**
 * OHIF's `oidc`: authorization code with PKCE. OHIF puts its base before the two paths. An audience that is a URI is
 * asked for as a resource (RFC 8707); other issuers give it by client or scope.
 */
const signInConfig = ({ issuer, audience, clientId, scope }: ViewerSignIn): string =>
  JSON.stringify([
    {
      authority: issuer,
      client_id: clientId,
      response_type: 'code',
      scope,
      redirect_uri: '/callback',
      post_logout_redirect_uri: '/',
      automaticSilentRenew: true,
      ...(URL.canParse(audience) ? { resource: audience } : {}),
    },
  ]);

/**
 * OHIF's configuration (docs.ohif.org, "Configuration Files"): the DICOMweb of this very origin and nothing else. Every
 * path is relative to the origin, so the viewer asks no other host, but for the issuer that people sign in at.
 */
export const viewerConfig = (signIn: ViewerSignIn | undefined): string => `window.config = {
  routerBasename: '/viewer',
  ${signIn ? `oidc: ${signInConfig(signIn)},` : ''}
  extensions: [],
  modes: [],
  customizationService: {},
  showStudyList: true,
  investigationalUseDialog: { option: 'never' },
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true,
  maxNumberOfWebWorkers: 3,
  defaultDataSourceName: 'callosum',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'callosum',
      configuration: {
        friendlyName: 'Callosum',
        name: 'callosum',
        wadoUriRoot: '/dicom-web',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        qidoSupportsIncludeField: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: true,
        supportsWildcard: true,
        staticWado: false,
        singlepart: 'bulkdata',
        bulkDataURI: { enabled: true },
        omitQuotationForMultipartRequest: true,
      },
    },
  ],
};
`;
