package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sluice/e2e/harness"
)

const (
	clientSecret = "sk-leak-client-key"       // the client's key at the gateway
	otherSecret  = "leak-of-the-client"       // in all else that must not reach a provider
	awsAccess    = "AKIDLEAKOFPROVIDER"       // the gateway's at the provider, as are the next
	awsSecret    = "leak-provider-aws-secret" // never sent, only signed with
	orgSecret    = "leak-provider-org"
)

// leakModels are the models by kind of account: clouds have Anthropic's models by their names. A surface's name makes them its own.
var leakModels = map[string]string{
	"oai": "m", "res": "m", "azu": "m", "azc": "m", "grq": "m", "ant": "m", "gem": "m", "coh": "m", "voy": "m", "jin": "m",
	"ver": "m", "vcl": "claude-m", "bed": "m", "bcl": "anthropic.claude-m",
}

// leakAccounts are accounts of every kind that the simulator can be. Two of each cloud's rows have the same provider: their models
// decide between its dialects.
const leakAccounts = `
retry: {attempts: 1}
keys: [{name: all, key: CLIENT}]
providers:
  oai: {base_url: SIM/v1, api_key: provider-secret, organization: ORG, project: ORG}
  res: {base_url: SIM/v1, api_key: provider-secret, responses: native}
  azu: {api: azure, base_url: SIM, api_key: provider-secret}
  azc: {api: azure, base_url: SIM, api_key: provider-secret, api_version: 2024-10-21}
  grq: {api: groq, base_url: SIM/v1, api_key: provider-secret}
  ant: {api: anthropic, base_url: SIM, api_key: provider-secret}
  gem: {api: gemini, base_url: SIM, api_key: provider-secret}
  coh: {api: cohere, base_url: SIM, api_key: provider-secret}
  voy: {api: voyage, base_url: SIM/v1, api_key: provider-secret}
  jin: {api: jina, base_url: SIM/v1, api_key: provider-secret}
  ver: {api: vertex, base_url: SIM, project: p, location: l, credentials: "${file:FILE}"}
  vcl: {api: vertex, base_url: SIM, project: p, location: l, credentials: "${file:FILE}"}
  bed: {api: bedrock, base_url: SIM, region: eu-west-1, access_key: ACCESS, secret_key: AWS}
  bcl: {api: bedrock, base_url: SIM, region: eu-west-1, access_key: ACCESS, secret_key: AWS}
`

// leakSurface is something that clients can ask, and the accounts that must be able to answer it.
type leakSurface struct {
	name, path, body string // ACCOUNT and MODEL stand for those
	headers          []string
	accounts         string
}

const (
	chatting  = "oai res azu azc grq ant gem ver vcl bed bcl coh"
	embedding = "oai azu azc gem ver coh voy jin"
)

// leakSurfaces are all of them.
func leakSurfaces() []leakSurface {
	const message = `"messages":[{"role":"user","content":"hi"}]`
	const contents = `"contents":[{"role":"user","parts":[{"text":"hi"}]}]`
	const version = "anthropic-version: 2023-06-01"
	form := func(name string) (body, header string) {
		return "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nACCOUNT/MODEL\r\n--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nhi\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"f.png\"\r\nContent-Type: image/png\r\n\r\nbytes\r\n--b--\r\n", "Content-Type: multipart/form-data; boundary=b"
	}
	picture, boundary := form("image")
	sound, _ := form("file")
	all := []leakSurface{
		{"chat", "/v1/chat/completions", `{"model":"ACCOUNT/MODEL",` + message + `}`, nil, chatting},
		{"chatstream", "/v1/chat/completions", `{"model":"ACCOUNT/MODEL","stream":true,` + message + `}`, nil, chatting},
		{"completions", "/v1/completions", `{"model":"ACCOUNT/MODEL","prompt":"hi"}`, nil, "oai azu ant gem"},
		{"responses", "/v1/responses", `{"model":"ACCOUNT/MODEL","input":"hi"}`, nil, chatting},
		{"responsesstream", "/v1/responses", `{"model":"ACCOUNT/MODEL","stream":true,"input":"hi"}`, nil, chatting},
		{"messages", "/anthropic/v1/messages", `{"model":"ACCOUNT/MODEL","max_tokens":99,` + message + `}`, []string{version}, chatting},
		{"messagesroot", "/v1/messages", `{"model":"ACCOUNT/MODEL","max_tokens":99,"stream":true,` + message + `}`, []string{version}, chatting},
		{"counttokens", "/anthropic/v1/messages/count_tokens", `{"model":"ACCOUNT/MODEL",` + message + `}`, []string{version}, "ant vcl"},
		{"generate", "/gemini/v1beta/models/ACCOUNT/MODEL:generateContent", `{` + contents + `}`, nil, chatting},
		{"generatestream", "/gemini/v1beta/models/ACCOUNT/MODEL:streamGenerateContent?alt=sse", `{` + contents + `}`, nil, chatting},
		{"generatearray", "/v1beta/models/ACCOUNT/MODEL:streamGenerateContent", `{` + contents + `}`, nil, chatting},
		{"counting", "/gemini/v1beta/models/ACCOUNT/MODEL:countTokens", `{` + contents + `}`, nil, "gem ver"},
		{"embed", "/v1/embeddings", `{"model":"ACCOUNT/MODEL","input":["a","b"]}`, nil, embedding},
		{"embedcontent", "/gemini/v1beta/models/ACCOUNT/MODEL:embedContent", `{"content":{"parts":[{"text":"a"}]}}`, nil, embedding},
		{"embedcohere", "/v2/embed", `{"model":"ACCOUNT/MODEL","texts":["a"],"input_type":"search_query","embedding_types":["float"]}`, nil, embedding},
		{"rerank", "/v1/rerank", `{"model":"ACCOUNT/MODEL","query":"a","documents":["a","b"]}`, nil, "coh voy jin"},
		{"rerankcohere", "/v2/rerank", `{"model":"ACCOUNT/MODEL","query":"a","documents":["a","b"]}`, nil, "coh voy jin"},
		{"moderations", "/v1/moderations", `{"model":"ACCOUNT/MODEL","input":"a"}`, nil, "oai"},
		{"images", "/v1/images/generations", `{"model":"ACCOUNT/MODEL","prompt":"a"}`, nil, "oai azu azc"},
		{"edits", "/v1/images/edits", picture, []string{boundary}, "oai azu azc"},
		{"speech", "/v1/audio/speech", `{"model":"ACCOUNT/MODEL","voice":"alloy","input":"a"}`, nil, "oai azu azc"},
		{"transcription", "/v1/audio/transcriptions", sound, []string{boundary}, "oai azu azc"},
		{"translation", "/v1/audio/translations", sound, []string{boundary}, "oai azu azc"},
	}
	for account, raw := range map[string][2]string{
		"oai": {"/chat/completions", `{"model":"MODEL",` + message + `}`},
		"res": {"/responses", `{"model":"MODEL","input":"hi"}`},
		"azu": {"/chat/completions", `{"model":"MODEL",` + message + `}`},
		"azc": {"/deployments/MODEL/chat/completions", `{` + message + `}`},
		"grq": {"/chat/completions", `{"model":"MODEL",` + message + `}`},
		"ant": {"/messages", `{"model":"MODEL","max_tokens":9,` + message + `}`},
		"gem": {"/models/MODEL:generateContent", `{` + contents + `}`},
		"coh": {"/v2/rerank", `{"model":"MODEL","query":"a","documents":["a","b"]}`},
		"voy": {"/rerank", `{"model":"MODEL","query":"a","documents":["a","b"]}`},
		"jin": {"/rerank", `{"model":"MODEL","query":"a","documents":["a","b"]}`},
		"ver": {"/publishers/google/models/MODEL:generateContent", `{` + contents + `}`},
		"bed": {"/model/MODEL/converse", `{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`},
	} {
		all = append(all, leakSurface{"raw", "/p/ACCOUNT" + raw[0], raw[1], []string{version}, account})
	}
	return all
}

// TestNoLeaks asks everything there is of accounts of every kind, as a client that has its key in every place that a key can be and
// much else that is the gateway's business. Nothing of it may reach the provider, and no secret of an account may reach the client.
func TestNoLeaks(t *testing.T) {
	t.Parallel()
	account, public, private := serviceAccount(t)
	sim := harness.StartSim(t, "any_model: true\nlatency: none\napi_key: "+harness.ProviderKey+"\nrecord: 5000\n"+
		"aws: {access_key: "+awsAccess+", secret_key: "+awsSecret+"}\ngoogle: {email: sluice@leak.example, public_key_file: "+public+"}\n")
	config := strings.NewReplacer("SIM", sim.Root(), "CLIENT", clientSecret, "ORG", orgSecret, "ACCESS", awsAccess, "AWS", awsSecret,
		"FILE", account(sim.Root()+"/token")).Replace(leakAccounts)
	g := harness.StartGateway(t, config)

	secrets := []string{harness.ProviderKey, orgSecret, awsAccess, awsSecret, private, "AWS4-HMAC"}
	for _, s := range leakSurfaces() {
		for _, name := range strings.Fields(s.accounts) {
			a := s.ask(t, g, name, leakModels[name]+"-"+s.name+"-"+name)
			if a.Status != http.StatusOK {
				t.Errorf("%s at %s: %d %s", s.name, name, a.Status, a.Body)
			}
			wantNone(t, s.name+" at "+name, a, secrets)
		}
	}
	for name := range leakModels { // errors, too
		for _, fault := range []string{"400", "401", "500", "error-200"} {
			s := leakSurface{path: "/v1/chat/completions", body: `{"model":"ACCOUNT/MODEL","messages":[{"role":"user","content":"hi"}]}`}
			wantNone(t, fault+" of "+name, s.ask(t, g, name, leakModels[name]+":"+fault), secrets)
		}
	}
	checkRequests(t, sim.Requests(t))
}

// TestErrorsAreRedacted has a provider that repeats the credential which it was sent, in the words of its errors. Each status has accounts of
// its own, so that what one does to an account does not keep calls of another from the provider.
func TestErrorsAreRedacted(t *testing.T) {
	t.Parallel()
	var relayed sync.Map // accounts that were asked for anything
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := r.Header.Get("Authorization") + r.Header.Get("X-Api-Key") + r.Header.Get("X-Goog-Api-Key")
		account, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		_, digits, _ := strings.Cut(account, "-")
		status, err := strconv.Atoi(digits)
		if err != nil || sent == "" {
			status = http.StatusTeapot
		}
		if strings.HasSuffix(rest, "anything") {
			relayed.Store(account, true)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Debug", sent)
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type":"error","error":{"type":"x","code":%d,"message":"I was sent %s"}}`, status, sent)
	}))
	t.Cleanup(provider.Close)
	statuses := []string{"400", "401", "403", "404", "422", "429", "500", "503", "529"}
	config := "retry: {attempts: 1}\nproviders:\n"
	for _, status := range statuses {
		config += strings.NewReplacer("SIM", provider.URL, "NNN", status).Replace(`  oai-NNN: {base_url: SIM/oai-NNN/v1, api_key: provider-secret}
  ant-NNN: {api: anthropic, base_url: SIM/ant-NNN, api_key: provider-secret}
  gem-NNN: {api: gemini, base_url: SIM/gem-NNN, api_key: provider-secret}
`)
	}
	g := harness.StartGateway(t, config)
	var calls sync.WaitGroup
	for _, kind := range []string{"oai", "ant", "gem"} {
		for _, status := range statuses {
			calls.Go(func() {
				account := kind + "-" + status
				for path, body := range map[string]string{
					"/v1/chat/completions":   `{"model":"ACCOUNT/chat","messages":[{"role":"user","content":"hi"}]}`,
					"/v1/responses":          `{"model":"ACCOUNT/resp","input":"hi","stream":true}`,
					"/anthropic/v1/messages": `{"model":"ACCOUNT/mess","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`,
					"/gemini/v1beta/models/ACCOUNT/gene:generateContent": `{"contents":[{"parts":[{"text":"hi"}]}]}`,
					"/p/ACCOUNT/anything":                                `{}`,
				} {
					fill := strings.NewReplacer("ACCOUNT", account)
					a, err := g.Do(http.MethodPost, fill.Replace(path), fill.Replace(body))
					if err != nil {
						t.Errorf("%s: %v", fill.Replace(path), err)
						continue
					}
					if a.Status < 400 || a.Status == http.StatusTeapot {
						t.Errorf("%s at %s: status %d %s", status, path, a.Status, a.Body)
					}
					wantNone(t, fill.Replace(status+" at "+path), a, []string{harness.ProviderKey})
				}
				if _, ok := relayed.Load(account); !ok {
					t.Errorf("nothing was relayed to %s", account)
				}
			})
		}
	}
	calls.Wait()
}

// ask sends a surface's request with all that must stay here.
func (s *leakSurface) ask(t *testing.T, g *harness.Gateway, account, model string) *harness.Answer {
	t.Helper()
	fill := strings.NewReplacer("ACCOUNT", account, "MODEL", model)
	path := fill.Replace(s.path)
	if strings.Contains(path, "?") {
		path += "&"
	} else {
		path += "?"
	}
	path += "key=" + clientSecret + "&api_key=" + clientSecret + "&access_token=" + clientSecret
	headers := append([]string{
		"Authorization: Bearer " + clientSecret, "X-Api-Key: " + clientSecret, "Api-Key: " + clientSecret, "X-Goog-Api-Key: " + clientSecret,
		"X_Api_Key: " + clientSecret, "Proxy-Authorization: Basic " + clientSecret, "Cookie: session=" + otherSecret, "X-Auth-Token: " + otherSecret,
		"X-Sluice-Tags: " + otherSecret, "X-Sluice-Class: interactive", "X-Sluice-Deadline: 1m", "X-Sluice-Region: " + otherSecret,
		"X-Forwarded-For: " + otherSecret, "X-Original-URL: /" + otherSecret, "X-Real-IP: " + otherSecret, "Forwarded: for=" + otherSecret,
		"OpenAI-Organization: " + otherSecret, "OpenAI-Project: " + otherSecret, "X-Goog-User-Project: " + otherSecret,
		"X-Amz-Security-Token: " + otherSecret, "Idempotency-Key: " + otherSecret + "-" + model, "X-Request-Id: " + otherSecret,
		"X-Stainless-Retry-Count: 0", "X-Stainless-Lang: js", "Referer: http://" + otherSecret + ".example/",
	}, s.headers...)
	return g.Post(t, path, fill.Replace(s.body), headers...)
}

// wantNone checks that an answer has none of the secrets in it.
func wantNone(t *testing.T, what string, a *harness.Answer, secrets []string) {
	t.Helper()
	headers, err := json.Marshal(a.Header)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if strings.Contains(a.Body, secret) || bytes.Contains(headers, []byte(secret)) {
			t.Errorf("%s: the client got %q: %s %s", what, secret, headers, a.Body)
		}
	}
	if a.Header.Get("Set-Cookie") != "" {
		t.Errorf("%s: the client got a cookie: %s", what, headers)
	}
}

// checkRequests looks at all that the provider got.
func checkRequests(t *testing.T, got []harness.SimRequest) {
	t.Helper()
	asked := map[string]bool{}
	for _, r := range got {
		asked[r.Model] = true
		all, err := json.Marshal(r.Header)
		if err != nil {
			t.Fatal(err)
		}
		all = fmt.Appendf(all, " %s?%s %s", r.Path, r.Query, r.Body)
		for _, secret := range []string{clientSecret, otherSecret, awsSecret} {
			if bytes.Contains(all, []byte(secret)) {
				t.Errorf("%s %s: the provider got %q: %s", r.Method, r.Path, secret, all)
			}
		}
		for name := range r.Header {
			if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-sluice") || strings.Contains(lower, "_") || lower == "cookie" {
				t.Errorf("%s %s: the provider got the header %s", r.Method, r.Path, name)
			}
		}
	}
	for _, s := range leakSurfaces() {
		for _, name := range strings.Fields(s.accounts) {
			if model := leakModels[name] + "-" + s.name + "-" + name; !asked[model] {
				t.Errorf("%s at %s has not reached the provider", s.name, name)
			}
		}
	}
}

// serviceAccount makes a service account. The function writes its file for a token endpoint and returns the name; public is the file
// with its public key, and private a part of its private key.
func serviceAccount(t *testing.T) (file func(endpoint string) string, public, private string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	secret := encode("PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(&key.PublicKey)
	dir := t.TempDir()
	public = harness.WriteFile(t, filepath.Join(dir, "public.pem"), encode("PUBLIC KEY", der, err))
	lines := slices.Collect(strings.Lines(secret))
	return func(endpoint string) string {
		text, err := json.Marshal(map[string]string{
			"type": "service_account", "client_email": "sluice@leak.example", "private_key_id": "k", "private_key": secret, "token_uri": endpoint,
		})
		if err != nil {
			t.Fatal(err)
		}
		return harness.WriteFile(t, filepath.Join(dir, "account.json"), string(text))
	}, public, strings.TrimSpace(lines[len(lines)/2])
}
