package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/route"
)

// importFile imports a file of testdata and reads the result as Load would.
func importFile(t *testing.T, name string) (*Import, *Config) {
	t.Helper()
	path := filepath.Join("testdata", "litellm", name+".yaml")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	im, err := ImportLiteLLM(path, src)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseDraft("sluice.yaml", im.File, anyVariable, true)
	if err != nil {
		t.Fatalf("the result is not valid: %v\n%s", err, im.File)
	}
	return im, c
}

func report(im *Import, file string) string {
	var b strings.Builder
	for _, f := range im.Findings {
		b.WriteString(f.Report(file) + "\n")
	}
	return b.String()
}

// The results and reports of whole files. `go test ./internal/config -run Golden -update` writes them anew.
func TestImportGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/litellm/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("files: %v, %v", files, err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		im, c := importFile(t, name)
		if im.Providers != len(im.accounts(c)) || im.Models != len(c.Models) {
			t.Errorf("%s: counts %d providers and %d models, the result has %d and %d",
				name, im.Providers, im.Models, len(c.Providers), len(c.Models))
		}
		again, _ := importFile(t, name)
		if string(again.File) != string(im.File) || !slices.Equal(again.Findings, im.Findings) {
			t.Errorf("%s: a second import differs", name)
		}
		for ending, got := range map[string]string{".golden": string(im.File), ".report": report(im, name+".yaml")} {
			golden := filepath.Join("testdata", "litellm", name+ending)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("%s differs (-want +got):\n%s", golden, d)
			}
		}
	}
}

// accounts are the providers that the import wrote: none, if Parse took them from the environment.
func (i *Import) accounts(c *Config) []Provider {
	if !strings.Contains(string(i.File), "\nproviders:") {
		return nil
	}
	return c.Providers
}

// What the result means, read by the loader.
func TestImportMeaning(t *testing.T) {
	t.Parallel()
	_, c := importFile(t, "team")
	model := func(name string) Model {
		i := slices.IndexFunc(c.Models, func(m Model) bool { return m.Name == name })
		if i < 0 {
			t.Fatalf("there is no model %s", name)
		}
		return c.Models[i]
	}
	refs := func(pairs ...any) []route.TargetRef {
		var out []route.TargetRef
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, route.TargetRef{Target: pairs[i].(string), Weight: pairs[i+1].(int)})
		}
		return out
	}
	const llama = "meta-llama/Llama-3.1-70B-Instruct"
	want := refs("openai/gpt-4o", 3, "openai-2/gpt-4o", 1, "groq/llama-3.1-8b-instant", 0,
		"vllm-10-0-0-5/"+llama, 0, "vllm-10-0-0-5-8001/"+llama, 0, "anthropic/claude-sonnet-4-5", 0)
	for _, name := range []string{"gpt-4o", "gpt-4"} {
		m := model(name)
		if d := cmp.Diff(want, m.Targets); d != "" || m.Strategy != route.Weighted {
			t.Errorf("%s: strategy %s, targets (-want +got):\n%s", name, m.Strategy, d)
		}
		if m.Retry.Attempts != 7 { // three, and one for each of the four fallback targets
			t.Errorf("%s has %d attempts", name, m.Retry.Attempts)
		}
	}
	if m := model("fast"); m.Timeouts.Headers != 20*time.Second || m.Timeouts.FirstToken != 5*time.Second ||
		m.Timeouts.Idle != 30*time.Second || m.Strategy != route.Failover {
		t.Errorf("fast: %+v", m)
	}
	if m := model("embed"); m.Timeouts.Headers != 300*time.Second || m.Timeouts.Total != 15*time.Minute || m.Retry.Attempts != 3 {
		t.Errorf("embed: %+v", m)
	}
	groq := c.Providers[2]
	if groq.Name != "groq" || groq.URL() != "https://api.groq.com/openai/v1" || len(groq.Quotas) != 1 || groq.Quotas[0].Concurrency != 16 {
		t.Errorf("groq: %+v", groq)
	}
	key, _ := anyVariable("")
	if c.Console.AdminKey.Reveal() != key || len(c.Auth.Keys) != 1 || c.Ingress.Listen != "0.0.0.0:4000" || c.Exposed() != nil {
		t.Errorf("keys: %+v, listen %s", c.Auth.Keys, c.Ingress.Listen)
	}

	_, c = importFile(t, "azure")
	if p := c.Providers[1]; p.Headers["Authorization-Extra"].Reveal() != "Basic ${NOT_A_REF}" || len(p.Headers) != 2 {
		t.Errorf("headers: %+v", p.Headers)
	}
	if p := c.Providers[2]; p.APIKey.Reveal() != "0123456789abcdef literal's #1" ||
		p.URL() != "https://contoso-eu.openai.azure.com/openai/v1" {
		t.Errorf("provider: %+v", p)
	}
	if got := c.Providers[0].URL(); got != "https://contoso-eu.openai.azure.com/openai" {
		t.Errorf("classic surface: %s", got)
	}
	if c.Keyed() || !c.Ingress.Loopback() {
		t.Error("a key that is too short must leave the gateway on this machine")
	}

	_, c = importFile(t, "clouds")
	if slices.ContainsFunc(c.Models, func(m Model) bool { return slices.Contains([]string{"llama", "wrong", "film"}, m.Name) }) {
		t.Error("a model without a target is there")
	}
}

// Every line of a source that sets something is in the result or in the report.
func TestImportSaysEverything(t *testing.T) {
	t.Parallel()
	f := func(section, key string) {
		t.Helper()
		im, err := ImportLiteLLM("l.yaml", []byte("model_list: []\n"+section+":\n  "+key+": [1]\n"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(im.Findings, func(f Finding) bool { return f.Line == 3 && f.Outcome == NotTaken && len(f.Message) > 5 }) {
			t.Errorf("%s.%s is not in the report: %v", section, key, im.Findings)
		}
	}
	for section, keys := range map[string]map[string]string{
		"router_settings": routerReasons(), "litellm_settings": liteReasons(), "general_settings": generalReasons(),
	} {
		for key := range keys {
			f(section, key)
		}
		for _, key := range []string{"made_up", "num_retries", "timeout", "master_key", "model_group_alias", "stream_timeout"} {
			f(section, key)
		}
	}
	for key := range paramReasons() {
		im, err := ImportLiteLLM("l.yaml", []byte("model_list:\n- model_name: m\n  litellm_params:\n    model: groq/x\n    api_key: k\n    "+key+": 7\n"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(im.Findings, func(f Finding) bool { return f.Line == 6 && f.Key == "model_list[0].litellm_params."+key }) {
			t.Errorf("%s is not in the report: %v", key, im.Findings)
		}
	}
}

func TestImportHidesSecrets(t *testing.T) {
	t.Parallel()
	const secret = "sk-0123456789abcdefABCDEF"
	src := "model_list:\n- model_name: m\n  litellm_params: {model: openai/x, api_key: " + secret + ", api_base: 'http://u:" + secret + "@h/v1'}\n" +
		"- model_name: " + secret + "\n  litellm_params: {model: madeup/" + secret + "}\n" +
		"general_settings: {master_key: " + secret + ", " + secret + ": 1}\nenvironment_variables: {OPENAI_API_KEY: " + secret + "}\n"
	im, err := ImportLiteLLM("l.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if r := report(im, "l.yaml"); strings.Contains(r, secret) || strings.Count(r, "caution") < 1 {
		t.Errorf("report:\n%s", r)
	}
}

func TestImportErrors(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		_, err := ImportLiteLLM("l.yaml", []byte(src))
		var bad *Error
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want an *Error with %q", src, err, want)
		}
	}
	f("", "is empty")
	f("- a\n", "must be a mapping with model_list")
	f("a: [\n", "is no valid YAML")
	f("a: \x00", "is not allowed")
}

func TestWeigh(t *testing.T) {
	t.Parallel()
	d := func(weight, rpm float64) *deployment {
		out := new(deployment)
		if weight >= 0 {
			out.weight = &weight
		}
		if rpm >= 0 {
			out.rpm = &rpm
		}
		return out
	}
	f := func(want []int, ds ...*deployment) {
		t.Helper()
		if got := weigh(ds); !slices.Equal(got, want) {
			t.Errorf("weights %v, want %v", got, want)
		}
	}
	f([]int{1, 1}, d(-1, -1), d(-1, -1))
	f([]int{3, 1}, d(9, -1), d(3, 100))
	f([]int{1, 0}, d(5, -1), d(-1, -1))
	f([]int{1, 4}, d(-1, 250), d(-1, 1000))
	f([]int{1, 2}, d(0.25, -1), d(0.5, -1))
	f([]int{1, 1000}, d(1, -1), d(1e9, -1))
	f([]int{1, 1}, d(0, -1), d(0, -1))
}

// FuzzImportLiteLLM checks that whatever is imported gives a configuration that loads, and findings with a place.
func FuzzImportLiteLLM(f *testing.F) {
	files, err := filepath.Glob("testdata/litellm/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Add("model_list:\n- &a {model_name: '<<', litellm_params: {model: \"openai/'\\\"#: x\", api_key: \"${A}'\"}}\n- *a\n")
	f.Add("model_list: [{model_name: 'true', litellm_params: {model: openai/null, order: 1e3, weight: .5, extra_headers: {a: b}}}]")
	f.Add("a: &a [*a]\nrouter_settings: {fallbacks: [{'*': [b]}], model_group_alias: {a: b}}")
	f.Fuzz(func(t *testing.T, src string) {
		im, err := ImportLiteLLM("l.yaml", []byte(src))
		var bad *Error
		switch {
		case errors.As(err, &bad) && bad.File == "l.yaml":
			return // no YAML
		case err != nil:
			if len(src) < 64<<10 {
				t.Fatalf("%v\n%s", err, src)
			}
			return
		}
		c, err := parseDraft("s.yaml", im.File, anyVariable, true)
		if err != nil || c.Exposed() != nil {
			t.Fatalf("%v, %v\n%s", err, c.Exposed(), im.File)
		}
		for _, f := range im.Findings {
			if f.Line < 1 || f.Message == "" || f.Outcome == 0 || strings.ContainsAny(f.Report("l.yaml"), "\n\x1b") {
				t.Errorf("finding %+v", f)
			}
		}
		if len(c.Models) != im.Models {
			t.Errorf("%d models, counted %d", len(c.Models), im.Models)
		}
	})
}
