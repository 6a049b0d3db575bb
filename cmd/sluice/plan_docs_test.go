package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The outputs in docs/PLAN.md are what the commands print. Blocks of YAML that begin with a name, and JSON, are files that
// the commands read; results/ is the directory of a bench. `go test ./cmd/sluice -run PlanDocs -update-plan` writes them anew.
func TestPlanDocs(t *testing.T) {
	t.Parallel()
	const path = "../../docs/PLAN.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"results/": planSuite(t)}
	dir := t.TempDir()
	parts := strings.Split(string(text), "```")
	ran := 0
	for i := 1; i < len(parts); i += 2 { // odd parts stand between fences
		if body, ok := strings.CutPrefix(parts[i], "yaml\n# "); ok {
			name, _, _ := strings.Cut(body, "\n")
			files[name] = filepath.Join(dir, name)
			if err := os.WriteFile(files[name], []byte(body[len(name):]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if body, ok := strings.CutPrefix(parts[i], "json\n"); ok { // JSON has no comments: it is own.json
			files["own.json"] = filepath.Join(dir, "own.json")
			if err := os.WriteFile(files["own.json"], []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		body, ok := strings.CutPrefix(parts[i], "console\n$ sluice plan ")
		if !ok {
			continue
		}
		line, _, _ := strings.Cut(strings.ReplaceAll(body, "\\\n", "\x00"), "\n")
		var args []string
		for _, a := range strings.Fields(strings.ReplaceAll(line, "\x00", " ")) {
			if file, ok := files[a]; ok {
				a = file
			}
			args = append(args, a)
		}
		out, err := runPlan(t, args...)
		if err != nil {
			out += "sluice: " + err.Error() + "\n"
		}
		parts[i] = "console\n$ sluice plan " + strings.ReplaceAll(line, "\x00", "\\\n") + "\n" + trimLines(out)
		ran++
	}
	if ran < 8 {
		t.Errorf("only %d commands are shown", ran)
	}
	got := strings.Join(parts, "```")
	if *updatePlan {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("docs/PLAN.md (-shown +printed)\n%s", diff)
	}
}

// trimLines takes off spaces at the ends of lines.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
