/** Providers of this service's own module. */
export const FACTS = Symbol('result-publisher.facts');
export const PUBLICATIONS = Symbol('result-publisher.publications');
export const PUBLISHING = Symbol('result-publisher.publishing');
export const WAKER = Symbol('result-publisher.waker');
