/**
 * Settings the chart names whose schemas are still on their way. A group ends by itself: once the schemas know `landed`,
 * each of its names has to be one of theirs.
 */
export const pendingSettings: readonly { readonly landed: string; readonly names: RegExp }[] = [
  { landed: 'CALLOSUM_AUTH_OIDC_ISSUER', names: /^CALLOSUM_(AUTH_\w+|METRICS_\w+|DIMSE_AES)$/ },
  { landed: 'CALLOSUM_KAFKA_TLS', names: /^CALLOSUM_KAFKA_(SMALL_SITE|TLS|TLS_\w+|SASL|USERNAME|PASSWORD)$/ },
];
