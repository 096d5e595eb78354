// A real OpenID provider for tests: oidc-provider (certified by the OpenID Foundation) with its development pages, where
// any login does. Tests steer it by POST /control/…: clients, accounts, another key, and ID tokens that lie.
// MODULES is the folder whose node_modules hold the package; PORT the port, 0 for any.
import http from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.MODULES, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { default: Provider } = await load("oidc-provider");
const { exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } = await load("jose");

const SECRET = "a secret / with + what : must be % encoded";
const state = { uris: [], logoutUris: [], accounts: {}, forge: null, keys: [], serial: 0 };

async function newKey(alg) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  state.serial += 1;
  return { ...(await exportJWK(privateKey)), alg, use: "sig", kid: `${alg}-${state.serial}` };
}

async function rotate() {
  state.keys = [await newKey("RS256"), await newKey("ES256")];
}

/** What an ID token says when it lies, and who signs it. */
const FORGED = {
  nonce: (claims) => ({ ...claims, nonce: "of another sign-in" }),
  "no-nonce": ({ nonce: _, ...claims }) => claims,
  expired: (claims) => ({ ...claims, iat: claims.iat - 7200, exp: claims.iat - 3600 }),
  audience: (claims) => ({ ...claims, aud: "another-client" }),
  azp: (claims) => ({ ...claims, aud: [claims.aud, "another-client"], azp: "another-client" }),
  audiences: (claims) => ({ ...claims, aud: [claims.aud, "another-client"] }),
  issuer: (claims) => ({ ...claims, iss: "https://elsewhere.example.org" }),
  subject: (claims) => ({ ...claims, sub: "" }),
  // true ones
  inside: (claims) => ({ ...claims, email: `inside-${claims.sub}@example.org`, email_verified: true, name: "Inside" }),
};

async function forge(token, kind) {
  const [header, claims] = token
    .split(".", 2)
    .map((part) => JSON.parse(Buffer.from(part, "base64url")));
  const jwk = state.keys.find(({ kid }) => kid === header.kid);
  if (kind === "none") return new UnsecuredJWT(claims).encode();
  if (kind === "hmac") {
    // the public key as a shared secret
    const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...open } = jwk;
    const secret = new TextEncoder().encode(JSON.stringify(open));
    return new SignJWT(claims).setProtectedHeader({ ...header, alg: "HS256" }).sign(secret);
  }
  const key = kind === "key" ? await newKey(jwk.alg) : jwk;
  const changed = FORGED[kind]?.(claims) ?? claims;
  return new SignJWT(changed).setProtectedHeader(header).sign(await importJWK(key, jwk.alg));
}

function client(id, method, alg) {
  return {
    client_id: id,
    ...(method !== "none" && { client_secret: SECRET }),
    token_endpoint_auth_method: method,
    id_token_signed_response_alg: alg,
    redirect_uris: state.uris,
    post_logout_redirect_uris: state.logoutUris,
  };
}

function make(issuer) {
  const provider = new Provider(issuer, {
    clients: [
      client("karyaksham", "client_secret_basic", "RS256"),
      client("public", "none", "ES256"),
    ],
    jwks: { keys: state.keys },
    enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256"] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    cookies: { keys: ["of a test"] },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => {
        const { silent = [], ...said } = state.accounts[sub] ?? {};
        const all = { email: `${sub}@example.org`, email_verified: true, name: sub, ...said, sub };
        return Object.fromEntries(Object.entries(all).filter(([name]) => !silent.includes(name)));
      },
    }),
  });
  provider.use(async (context, next) => {
    await next();
    const route = context.oidc?.route;
    if (!state.forge) return;
    if (route === "token" && context.body.id_token) {
      context.body = { ...context.body, id_token: await forge(context.body.id_token, state.forge) };
    }
    if (route === "userinfo" && state.forge === "userinfo") context.body = { ...context.body, sub: "another" };
    if (route === "discovery" && state.forge === "discovery") context.body = { ...context.body, issuer: `${issuer}/` };
    if (route === "jwks" && state.forge === "huge") context.body = { keys: [], padding: "x".repeat(2 * 1024 * 1024) };
  });
  return provider.callback();
}

const CONTROL = {
  clients: ({ uris, logoutUris }) => {
    Object.assign(state, { uris, logoutUris });
    answer = make(issuer);
  },
  accounts: (accounts) => Object.assign(state.accounts, accounts),
  forge: ({ kind }) => Object.assign(state, { forge: kind }),
  rotate: async () => {
    await rotate();
    answer = make(issuer);
  },
};

let answer;
const server = http.createServer(async (request, response) => {
  const [, first, what] = request.url.split("/");
  if (first !== "control") return answer(request, response);
  const parts = [];
  for await (const part of request) parts.push(part);
  await CONTROL[what](JSON.parse(Buffer.concat(parts)));
  response.end("{}");
});
await new Promise((listening) => server.listen(Number(process.env.PORT), "localhost", listening));
const issuer = `http://localhost:${server.address().port}`;
await rotate();
answer = make(issuer);
console.log(JSON.stringify({ issuer, secret: SECRET }));
