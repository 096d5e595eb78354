import { m } from "./messages";

/** What went wrong with single sign-on, by the code that the API sends browsers back with. */
const PROBLEMS: Record<string, () => string> = {
  ACCOUNT_DISABLED: () => m.accountDisabled,
  OIDC_DENIED: () => m.signInCancelled,
  OIDC_DOMAIN_FORBIDDEN: () => m.signInDomainForbidden,
  OIDC_EMAIL_MISSING: () => m.signInEmailMissing,
  OIDC_EMAIL_TAKEN: () => m.signInEmailTaken,
  OIDC_EMAIL_UNVERIFIED: () => m.signInEmailUnverified,
  OIDC_IDENTITY_TAKEN: () => m.signInIdentityTaken,
  OIDC_NO_ACCOUNT: () => m.signInNoAccount,
  OIDC_STATE_UNKNOWN: () => m.signInUnknown,
  OIDC_UNAVAILABLE: () => m.signInUnavailable,
  RATE_LIMITED: () => m.tooManyAttempts,
  SERVICE_UNAVAILABLE: () => m.partUnavailable,
};

/** The sentence for a code; of one that is unknown, the code stands in it. */
export function problemWords(code: string): string {
  return PROBLEMS[code]?.() ?? m.signInFailed({ code });
}
