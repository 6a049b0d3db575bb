package llm_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"sluice/internal/llm"
)

// TestErrorsAreDocumented holds the table of docs/API.md to the vocabulary, in both directions.
func TestErrorsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/API.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "| code | status | cause | meaning |")
	if !ok {
		t.Fatal("docs/API.md has no table of errors")
	}
	for _, k := range llm.Kinds() {
		row := fmt.Sprintf("| `%s` | %d | %s | ", k.Code(), k.Status(), k.Cause())
		if !strings.Contains(table, row) {
			t.Errorf("docs/API.md has no row that begins %s", row)
		}
	}
	if rows, kinds := strings.Count(table, "\n| `"), len(llm.Kinds()); rows != kinds {
		t.Errorf("docs/API.md lists %d errors, there are %d", rows, kinds)
	}
}
