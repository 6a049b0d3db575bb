package harness

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Keys of the stage's gateway.
const (
	Key        = "sk-stage-key-for-all"     // may do everything
	KeyLimited = "sk-stage-key-for-limited" // may use up/sim-* and embeddings only
	KeyOne     = "sk-stage-key-for-one"     // one call at a time
	KeyWrong   = "sk-stage-key-for-wrong"   // is not known
	KeyHeld    = "sk-stage-key-for-held"    // one call at a time, for another test
	KeyCounted = "sk-stage-key-for-counted" // two requests a minute
	KeyPaid    = "sk-stage-key-for-paid"    // a budget that one call of thirty tokens to paid/gpt-4o-mini fits into, and no second
)

// Pixel is a PNG image of one pixel, in base64.
const Pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// stageSim serves any name with the behaviour of its first model, so that a test can have a model, and its counts, for
// itself. Its tokens come one by one, so that a stream that breaks has begun.
const stageSim = `
seed: 7
any_model: true
api_key: provider-secret
record: 5000
models:
  - {name: sim-fast, speed: {step: 8ms}, context: 128000, prompt_cache: true}
  - {name: sim-reasoning, reasoning: 20, speed: {step: 8ms}}
  - {name: sim-slow, speed: {overhead: 400ms, step: 30ms}}
  - {name: sim-embed, kind: embedding, dimensions: 64}
quotas:
  - {models: ["paced-*"], rpm: 600, enforce: slices}
  - {models: ["few-*"], rpm: 2, enforce: sliding}
`

// retried are the models whose tests count retries, as the account lists them: each has a retry budget of its own then. Names that
// are not listed share one, which the tests of errors use up.
func retried() string {
	var names []string
	for _, prefix := range []string{"go-", "js-openai-up-", "js-openai6-up-"} {
		for _, name := range []string{"once:503;first=1", "reset:reset;first=1", "always:500", "waits:429;after=1"} {
			names = append(names, strconv.Quote(prefix+name))
		}
	}
	return strings.Join(names, ", ")
}

const stageGateway = `
retry: {attempts: 3, budget: 100%, base: 5ms, max: 5s}
providers:
  up:
    base_url: SIM
    api_key: provider-secret
    organization: org-secret
    models: ["sim-*", RETRIED]
  other:
    base_url: SIM
    api_key: provider-secret
    models: [elsewhere]
  spare: {base_url: SIM, api_key: provider-secret, models: [nothing]} # no test takes the account out of use
  ant: {api: anthropic, base_url: SIM, api_key: provider-secret, models: ["ant-*"]}
  gem: {api: gemini, base_url: ROOT/v1beta, api_key: provider-secret, models: ["gem-*"]}
  res: {api: openai, base_url: SIM, api_key: provider-secret, responses: native, models: ["res-*"]}
  coh: {api: cohere, base_url: ROOT, api_key: provider-secret, models: ["coh-*"]}
  voy: {api: voyage, base_url: SIM, api_key: provider-secret, models: ["voy-*"]}
  jin: {api: jina, base_url: SIM, api_key: provider-secret, models: ["jin-*"]}
  paced:
    base_url: SIM
    api_key: provider-secret
    models: ["paced-*", "few-*"]
    quotas:
      - {models: ["paced-*"], rpm: 600, enforced: seconds}
      - {models: ["few-*"], rpm: 2, enforced: sliding}
  paid: {base_url: SIM, api_key: provider-secret, price_as: openai, models: [gpt-4o-mini]}
models:
  smart: {targets: [up/sim-fast]}
  watched: {targets: ["up/watched:stall;after=5"], timeouts: {idle: 300ms}}
  handed: {targets: ["spare/handed-a:503", "other/handed-b"]}
keys:
  - {name: all, key: KEY_ALL}
  - {name: limited, key: KEY_LIMITED, models: ["up/sim-*"]}
  - {name: one, key: KEY_ONE, concurrency: 1}
  - {name: held, key: KEY_HELD, concurrency: 1}
  - {name: counted, key: KEY_COUNTED, rpm: 2}
  - {name: paid, key: KEY_PAID, budget: {usd: 0.00003, per: month}}
`

// patientGateway sends a keep-alive in every pause: many before the first token of sim-slow, and about one between any two.
const patientGateway = `
keep_alive: {interval: 15ms}
providers:
  up: {base_url: SIM, api_key: provider-secret, models: ["sim-*"]}
  ant: {api: anthropic, base_url: SIM, api_key: provider-secret, models: ["sim-*"]}
  gem: {api: gemini, base_url: ROOT/v1beta, api_key: provider-secret, models: ["sim-*"]}
keys:
  - {name: all, key: KEY_ALL}
`

// ProviderKey is the key that the stage's accounts have at the provider.
const ProviderKey = "provider-secret"

// Upstreams returns the stage's accounts for chats, one of each dialect, with the dialect's name.
func Upstreams() map[string]string {
	return map[string]string{"up": "openai", "ant": "anthropic", "gem": "gemini"}
}

// Stage is a gateway with keys before a simulated provider that speaks every dialect: what the tests of client libraries share.
type Stage struct {
	Sim     *Sim
	Gateway *Gateway
	Patient *Gateway // another one before the same provider, which sends keep-alives in every pause; see Slow
}

// Slow is a model of the provider whose answers Patient keeps alive.
const Slow = "sim-slow"

// StartStage starts a stage.
func StartStage(t testing.TB) *Stage {
	t.Helper()
	sim := StartSim(t, stageSim)
	fill := strings.NewReplacer("RETRIED", retried(), "SIM", sim.URL, "ROOT", sim.Root(), "KEY_ALL", Key, "KEY_LIMITED", KeyLimited, "KEY_ONE", KeyOne,
		"KEY_HELD", KeyHeld, "KEY_COUNTED", KeyCounted, "KEY_PAID", KeyPaid)
	return &Stage{Sim: sim, Gateway: StartGateway(t, fill.Replace(stageGateway)), Patient: StartGateway(t, fill.Replace(patientGateway))}
}

// Left waits until the provider has noticed that a client left its call for a model of an account, fault included
// ("up/go-left:stall;after=5"), and the gateway has nothing under way there. No other call may be for that model.
func (s *Stage) Left(t testing.TB, target string) {
	t.Helper()
	name := known(target)
	Eventually(t, Wait, func() error {
		if st := s.Sim.Stats(t).Models[name]; st.Aborted != 1 {
			return fmt.Errorf("the provider has seen %d aborts of %s", st.Aborted, name)
		}
		if n := s.Gateway.InFlight(t, target); n != 0 {
			return fmt.Errorf("%d attempts under way at %s", n, target)
		}
		return nil
	})
}

// Sent returns the requests for a model of an account that have reached the provider, which must be n: the provider notes the last of
// them a moment after its client has the answer.
func (s *Stage) Sent(t testing.TB, target string, n int) (all []SimRequest) {
	t.Helper()
	Eventually(t, Wait, func() error {
		all = slices.DeleteFunc(s.Sim.Requests(t), func(r SimRequest) bool {
			model, _, _ := strings.Cut(r.Model, ":")
			return model != known(target)
		})
		if len(all) != n {
			return fmt.Errorf("the provider has seen %d requests for %s, want %d", len(all), target, n)
		}
		return nil
	})
	return all
}

// known returns the name that the provider knows a target by: without the account, and without faults.
func known(target string) string {
	_, name, _ := strings.Cut(target, "/")
	name, _, _ = strings.Cut(name, ":")
	return name
}
