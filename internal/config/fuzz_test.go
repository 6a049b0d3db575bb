package config

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a file holds: no panic, an error with a place inside the file, or a configuration that can be shown, read
// again and compared.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"../../examples/sluice.yaml", "../../examples/minimal.yaml"} {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Add(secretFile)
	f.Add("providers: {a: &b {api: sim, api_key: ${K}}, c: {<<: *b}, d: *b}\n? models\n: {m: {targets: [a/b]}}\n")
	f.Add("a: [1, {b: !!str c}]\n---\n%YAML 1.2\n- |\n x\n- >-\n y\n")
	f.Add("max_body: 1.5MiB\nqueue: {max_calls: 4_0, max_wait: 1h}\nretry: {budget: 5%}\nadmin_key: \"${K:-a: }\"\n")
	f.Fuzz(func(t *testing.T, src string) {
		c, err := Parse("f.yaml", []byte(src), environ("K", "value", "OPENAI_API_KEY", "key"))
		var bad *Error
		switch {
		case errors.As(err, &bad):
			for _, p := range bad.Problems {
				if p.Line < 1 || p.Column < 1 || p.Message == "" {
					t.Errorf("problem without a place: %+v", p)
				}
			}
			if bad.Excerpt() == "" {
				t.Error("no excerpt")
			}
		case err != nil:
			t.Errorf("error of another type: %v", err)
		default:
			if d := Diff(c, c); len(d) != 0 {
				t.Errorf("differs from itself: %v", d)
			}
			if len(c.Redacted()) == 0 || len(c.ID()) != 12 || c.File() != "f.yaml" {
				t.Error("not complete")
			}
		}
	})
}

// References survive the detour through the YAML parser.
func FuzzShield(f *testing.F) {
	f.Add("${A} x {${file:/a,b}}")
	f.Add("$${A:-[}#}")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, isShield) {
			return // refused before
		}
		if got := unshield(shield(s)); got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}
