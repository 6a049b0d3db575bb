package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// planted stands in every place of a file where a secret can.
const planted = "planted-Secret-0123456789"

const secretFile = `# a file with secrets
admin_key: planted-Secret-0123456789
database: postgres://me:planted-Secret-0123456789@h/db
tracing:
  endpoint: http://h/v1/traces
  headers: {Authorization: "Bearer planted-Secret-0123456789"}
providers:
  a: {api: openai, api_key: planted-Secret-0123456789, headers: {X-Key: planted-Secret-0123456789, X-Title: me}}
  b:
    api_key: ${KEY}
    base_url: http://h/v1
keys:
  - name: team
    key: "planted-Secret-0123456789-2"
`

func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	c := parse(t, secretFile, "KEY", planted)
	if c.Providers[1].APIKey.Reveal() != planted || c.Auth.Keys[0].Key.Reveal() != planted+"-2" {
		t.Fatal("the secrets are not in the configuration; the test would prove nothing")
	}
	f := func(name, out string) {
		t.Helper()
		if strings.Contains(out, planted) {
			t.Errorf("%s shows a secret:\n%s", name, out)
		}
		if out == "" {
			t.Errorf("%s is empty", name)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		f(verb, fmt.Sprintf(verb, c))
		f(verb+" of value", fmt.Sprintf(verb, *c))
	}
	j, err := json.Marshal(c)
	f("json", string(j))
	y, yerr := yaml.Marshal(c)
	f("yaml", string(y))
	if err != nil || yerr != nil {
		t.Errorf("marshal: %v, %v", err, yerr)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("text", "config", c, "value", *c, "key", c.Console.AdminKey)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "config", c, "value", *c, "headers", c.Providers[0].Headers)
	f("slog", log.String())
	f("redacted", string(c.Redacted()))
	f("notices", fmt.Sprint(c.Notices()))
	other := parse(t, strings.ReplaceAll(secretFile, planted, planted+"x"), "KEY", planted+"x")
	f("diff", fmt.Sprint(Diff(c, other)))
}

func TestNoticesOfLiteralSecrets(t *testing.T) {
	t.Parallel()
	c := parse(t, secretFile, "KEY", planted)
	var got []string
	for _, n := range c.Notices() {
		place, _, _ := strings.Cut(c.Place(n), ": the secret")
		got = append(got, place)
	}
	want := []string{
		"f.yaml:3:11: database", "f.yaml:2:12: admin_key", "f.yaml:6:28: tracing.headers.Authorization",
		"f.yaml:8:29: providers.a.api_key", "f.yaml:8:73: providers.a.headers.X-Key", "f.yaml:14:10: keys[0].key",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
}

// However a file is broken, what is said about it does not show its secrets. Each byte outside of them is deleted, and
// replaced by characters that mean something in YAML.
func TestErrorsDoNotShowSecrets(t *testing.T) {
	t.Parallel()
	failed := 0
	try := func(src string) {
		_, err := Parse("f.yaml", []byte(src), environ("KEY", planted))
		var bad *Error
		if !errors.As(err, &bad) {
			return
		}
		failed++
		if out := bad.Error() + bad.Excerpt(); strings.Contains(out, planted) {
			t.Errorf("shown for\n%s\n%s", src, out)
		}
	}
	for i := range len(secretFile) {
		if inSecret(i) {
			continue
		}
		try(secretFile[:i] + secretFile[i+1:])
		for _, c := range []string{"\"", "'", ":", "{", "}", "[", "-", "\n", " ", "#", "&", "*", "!", "|", ">", "x", ",", "\t", "%"} {
			try(secretFile[:i] + c + secretFile[i+1:])
		}
	}
	if failed < 1000 {
		t.Errorf("only %d broken files had errors", failed)
	}
}

func inSecret(i int) bool {
	for from := 0; ; {
		at := strings.Index(secretFile[from:], planted)
		if at < 0 {
			return false
		}
		at += from
		if i > at && i < at+len(planted) {
			return true
		}
		from = at + len(planted)
	}
}

// Secrets of several lines, short ones, and ones under a mistyped key, stay hidden in excerpts.
func TestExcerptHidesSecrets(t *testing.T) {
	t.Parallel()
	f := func(src string, secrets ...string) {
		t.Helper()
		_, err := Parse("f.yaml", []byte(src), environ())
		var bad *Error
		if !errors.As(err, &bad) {
			t.Errorf("no error for %s", src)
			return
		}
		for _, s := range secrets {
			if strings.Contains(bad.Excerpt(), s) {
				t.Errorf("excerpt shows %q:\n%s", s, bad.Excerpt())
			}
		}
	}
	f("providers: {a: {api_kye: hunter}}", "hunter")
	f("providers: {a: {api: x, api_key: hunter}}", "hunter")
	f("providers: {a: {api: x, api_key: 'hun ter', region: r}}", "hun", "ter'")
	f("admin_kye: |\n  hunter\n  gather\n", "hunter", "gather")
	f("keys: [{name: a, key: hunter}, {name: a, key: gather}]", "hunter", "gather")
	f("database: mysql://me:hunter@h", "hunter")
	f("admin_key: ${NOPE:-}hunter${NOPE}", "hunter")
	f("admin_key: \"hunter", "hunter")
	f("log: {level: ${L:-hunter}}", "hunter")
	f("tls: hunter2hunter2hunter2", "hunter2")
}
