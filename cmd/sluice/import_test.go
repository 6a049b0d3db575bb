package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigImport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "litellm.yaml"), filepath.Join(dir, "sluice.yaml")
	src := "model_list:\n- model_name: smart\n  litellm_params: {model: groq/llama-3, api_key: os.environ/GROQ_API_KEY, rpm: 5}\n"
	if err := os.WriteFile(from, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	key := ""
	env := func(name string) (string, bool) { return key, key != "" && name == "GROQ_API_KEY" }

	var out, said bytes.Buffer
	if err := importConfig(&out, &said, from, "", env); err != nil || !strings.Contains(out.String(), "- groq/llama-3") {
		t.Errorf("to standard output: %v\n%s", err, &out)
	}
	for _, want := range []string{
		from + ":3:80: model_list[0].litellm_params.rpm: changed: is a quota",
		"standard output: 1 provider, 1 model; of the source, 1 settings are changed and 0 not taken over",
		"before it can run here:", "environment variable GROQ_API_KEY is not set",
	} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the report is\n%s\nwant it with %q", &said, want)
		}
	}

	key = "gsk"
	out.Reset()
	said.Reset()
	if err := importConfig(&out, &said, from, to, env); err != nil || out.Len() > 0 || strings.Contains(said.String(), "before") {
		t.Errorf("to a file: %v\n%s%s", err, &out, &said)
	}
	if err := checkConfig(&out, &said, to, env, false); err != nil || !strings.Contains(out.String(), "ok: 1 provider, 1 model") {
		t.Errorf("check of the result: %v\n%s", err, &out)
	}
	if st, err := os.Stat(to); err != nil || st.Mode().Perm()&0o077 != 0 {
		t.Errorf("the file is %v, %v; others must not read it", st.Mode(), err)
	}
	if err := importConfig(&out, &said, from, to, env); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("over a file that is there: %v", err)
	}
	if err := os.WriteFile(from, []byte("model_list: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said.Reset()
	if err := importConfig(&out, &said, from, "", env); err == nil || !strings.Contains(said.String(), "is no valid YAML") {
		t.Errorf("no YAML: %v\n%s", err, &said)
	}
	if err := importConfig(&out, &said, filepath.Join(dir, "none.yaml"), "", env); err == nil {
		t.Error("a file that is not there is no error")
	}
}
