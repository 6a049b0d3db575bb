package config

import (
	"strings"
	"testing"

	"sluice/internal/upstream"
)

// A word can stand for a number, and only the number itself cannot be written.
func TestWord(t *testing.T) {
	t.Parallel()
	f := func(name, value string, want int, problem string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := "providers:\n  a: {base_url: http://h/v1, concurrency: " + value + ", quotas: [{models: [x], concurrency: " + value + "}]}\n"
			c, err := Parse("f.yaml", []byte(src), environ("HOW", "adaptive"))
			if problem != "" {
				if err == nil || strings.Count(err.Error(), problem) != 2 {
					t.Fatalf("error of %s is %v, want %q twice", value, err, problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p := c.Providers[0]
			if p.Concurrency != want || p.Quotas[0].Concurrency != want {
				t.Errorf("%s is read as %d and %d, want %d", value, p.Concurrency, p.Quotas[0].Concurrency, want)
			}
			again, err := Parse("f.yaml", c.Redacted(), environ())
			if err != nil || again.Providers[0].Concurrency != want {
				t.Errorf("what is shown of %s cannot be read again: %v\n%s", value, err, c.Redacted())
			}
		})
	}
	f("word", "adaptive", upstream.Adaptive, "")
	f("quoted word", `"adaptive"`, upstream.Adaptive, "")
	f("word by reference", "${HOW}", upstream.Adaptive, "")
	f("number", "64", 64, "")
	f("no limit", "0", 0, "")
	f("its number", "-1", 0, `concurrency: must not be negative, not "-1"`)
	f("other word", "auto", 0, `concurrency: must be a whole number such as 64 or 4_000_000, or adaptive, not "auto"`)
	f("other case", "Adaptive", 0, `or adaptive, not "Adaptive"`)
}
