import { m } from "./messages";

/** What went wrong with single sign-on, by the code that the API sends browsers back with. */
const PROBLEMS: Record<string, () => string> = {
  ACCOUNT_DISABLED: () => m.accountIsDisabled,
  OIDC_DENIED: () => m.signInCancelled,
  OIDC_DOMAIN_FORBIDDEN: () => m.domainMayNotSignIn,
  OIDC_EMAIL_MISSING: () => m.addressWasNotTold,
  OIDC_EMAIL_TAKEN: () => m.addressHasAnAccount,
  OIDC_EMAIL_UNVERIFIED: () => m.addressIsNotVerified,
  OIDC_IDENTITY_TAKEN: () => m.signInOfAnother,
  OIDC_NO_ACCOUNT: () => m.noAccountYet,
  OIDC_STATE_UNKNOWN: () => m.signInUnknown,
  OIDC_UNAVAILABLE: () => m.providerUnavailable,
  RATE_LIMITED: () => m.tooManyAttempts,
  SERVICE_UNAVAILABLE: () => m.serviceUnavailable,
};

/** The sentence for a code; of one that is unknown, the code stands in it. */
export function problemWords(code: string): string {
  return PROBLEMS[code]?.() ?? m.signInFailed({ code });
}
