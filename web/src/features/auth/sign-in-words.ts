/** What went wrong with single sign-on, by the code that the API sends browsers back with. */
const PROBLEMS: Record<string, string> = {
  ACCOUNT_DISABLED: "This account is disabled. Ask an administrator.",
  OIDC_DENIED: "The sign-in was cancelled.",
  OIDC_DOMAIN_FORBIDDEN: "E-mail addresses of your domain may not sign in here.",
  OIDC_EMAIL_MISSING: "Your e-mail address was not told. Ask an administrator.",
  OIDC_EMAIL_TAKEN:
    "There is an account with your e-mail address. Sign in with its password, then link it under Account.",
  OIDC_EMAIL_UNVERIFIED: "Your e-mail address is not verified there. Verify it and start again.",
  OIDC_IDENTITY_TAKEN: "That sign-in belongs to another account here.",
  OIDC_NO_ACCOUNT: "There is no account for you yet. Ask an administrator.",
  OIDC_STATE_UNKNOWN: "This sign-in was begun in another browser, or too long ago. Start again.",
  OIDC_UNAVAILABLE: "The sign-in service does not answer. Try again in a few minutes.",
  RATE_LIMITED: "Too many attempts. Try again in a few minutes.",
  SERVICE_UNAVAILABLE: "A part of the service does not answer at the moment. Try again in a few seconds.",
};

/** The sentence for a code; of one that is unknown, the code stands in it. */
export function problemWords(code: string): string {
  return PROBLEMS[code] ?? `The sign-in did not succeed (${code}). Start again, or ask an administrator.`;
}
