import { inertDocuments } from './viewer-documents.js';
import { reportsAsText } from './viewer-reports.js';

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
 * Thumbnails are drawn from frames (`wadors`): an image that the page names by its URL would be asked for without a token.
 * A video is named so (`singlepart`): what OHIF 3.13.2 gets of one in another way it does not play.
 * @param prefix path of the site without a slash at the end, '' or "/imaging"
 */
export const viewerConfig = (prefix: string, signIn?: ViewerSignIn): string => `${inertDocuments}window.config = {
  routerBasename: '${prefix}/viewer',
  ${signIn ? `oidc: ${signInConfig(signIn)},` : ''}
  extensions: [${reportsAsText}],
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
        wadoUriRoot: '${prefix}/dicom-web/wado',
        qidoRoot: '${prefix}/dicom-web',
        wadoRoot: '${prefix}/dicom-web',
        qidoSupportsIncludeField: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: true,
        supportsWildcard: true,
        staticWado: false,
        singlepart: 'bulkdata,video',
        bulkDataURI: { enabled: true },
        omitQuotationForMultipartRequest: true,
      },
    },
  ],
};
`;
