// An OpenID Connect provider on loopback: whoever names themselves is believed, whatever the password.
import Provider from "oidc-provider";

const { port, client, people } = JSON.parse(process.argv[2]);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client],
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups", "accounts"] },
  cookies: { keys: ["of tests"] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  pkce: { required: () => true },
});
provider.listen(port, "127.0.0.1");
