package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestCommandsInDocumentsExist reads the commands of the example workflow and of the page on comparing: each must be one that
// the program knows, with flags that it has.
func TestCommandsInDocumentsExist(t *testing.T) {
	t.Parallel()
	for file, least := range map[string]int{"../../examples/workflows/bench.yml": 4, "../../docs/COMPARE.md": 9} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := regexp.MustCompile(`(?m)^ *(?:\$SLUICE|sluice) (bench [^#\n]*)`).FindAllStringSubmatch(string(b), -1)
		if len(lines) < least {
			t.Errorf("%s has %d commands, want at least %d", file, len(lines), least)
		}
		for _, l := range lines {
			words, _, _ := strings.Cut(l[1], ">>")
			args := strings.Fields(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(words, "text"))
			cmd, rest, err := newRootCommand().Find(args)
			if err != nil || cmd.Name() == "bench" {
				t.Errorf("%s: there is no command %q: %v", file, l[1], err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: %q: %v", file, l[1], err)
			} else if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%s: %q: %v", file, l[1], err)
			}
		}
	}
}
