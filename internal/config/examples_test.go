package config

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, src []byte) error {
	t.Helper()
	j, err := yaml.YAMLToJSON(src)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

// The example files load without a warning, and editors find nothing wrong with them.
func TestExamples(t *testing.T) {
	t.Parallel()
	s := compileSchema(t)
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	env := environ("OPENAI_API_KEY", "a", "GROQ_API_KEY", "b", "SLUICE_ADMIN_KEY", "c",
		"TEAM_A_KEY", "team-a-0123456789", "TRIAL_KEY", "trial-0123456789")
	for _, f := range files {
		c, err := Load(f, env)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, n := range c.Notices() {
			if f != "../../examples/minimal.yaml" { // does not refer to all of env
				t.Errorf("notice: %s", c.Place(n))
			}
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, s, src); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		if err := validate(t, s, c.Redacted()); err != nil {
			t.Errorf("%s with all defaults: %v", f, err)
		}
	}
}

// The schema and the loader agree on what is wrong, as far as a schema can say it.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	s := compileSchema(t)
	f := func(src string, want bool) {
		t.Helper()
		_, loads := Parse("f.yaml", []byte(src), environ("V", "1"))
		if (loads == nil) != want {
			t.Errorf("loader: %s: %v", src, loads)
		}
		if err := validate(t, s, []byte(src)); (err == nil) != want {
			t.Errorf("schema: %s: %v", src, err)
		}
	}
	f("max_body: 32MiB", true)
	f("max_body: 33554432", true)
	f("max_body: 32 MiB", true)
	f("max_body: 1", false)
	f("max_body: 32Mi", false)
	f("queue: {max_calls: 4_000_000}", true)
	f("queue: {max_calls: '${V}'}", true)
	f("queue: {max_calls: '7'}", false)
	f("queue: {max_calls: -7}", false)
	f("queue: {max_calls: 1.5}", false)
	f("queue: {max_wait: 0}", true)
	f("queue: {max_wait: 5}", false)
	f("queue: {max_wait: 1m30s}", true)
	f("queue: {max_wait: 5 s}", false)
	f("queue:", true)
	f("retry: {budget: 20%}", true)
	f("retry: {budget: 0.2}", true)
	f("retry: {budget: 2}", false)
	f("retry: {attempts: 0}", false)
	f("log: {level: loud}", false)
	f("lisen: localhost:1", false)
	f("data_dir: 7", false)
	f("models: {m: {targets: [sim/a, {target: sim/b, weight: 2}]}}", true)
	f("models: {m: {targets: sim/a}}", false)
	f("models: {m: {targets: [{weight: 2}]}}", false)
	f("keys: [{name: a}]", false)
	f("admin_key: 123", true)
	f("providers: {a: {api: sim, sim: {seed: 3, any_model: true}}}", true)
	f("providers: {a: {api: sim, sim: {any_model: maybe}}}", false)
	f("providers: {a: {headers: {X-A: b}}}", true)
}
