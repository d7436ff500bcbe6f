/** One resource by one method: what the conformance statement, the capabilities and the refusal of other methods say of it. */
export interface Resource {
  /** HEAD is answered where GET is. */
  readonly method: 'GET' | 'POST' | 'OPTIONS';
  /** As the router and the table of access have it, "/dicom-web/studies/:study". */
  readonly template: string;
  /** Where PS3.18 describes it, "10.4". */
  readonly section: string;
  /** Media types of the payload; of multipart/related those of its parts. */
  readonly takes: readonly string[];
  /** Media types of the answer, the default first; of multipart/related the type of its parts in the `type` parameter. */
  readonly gives: readonly string[];
  /** Names of query parameters. "{attribute}" stands for each attribute of the level. */
  readonly parameters: readonly string[];
  /** Statuses that the resource itself gives; 401 and 403 are those of sign-in, 405 that of the router, 500 those of a defect. */
  readonly statuses: readonly number[];
}
