package report

import (
	"os"
	"strings"
	"testing"
)

func TestColumnsAreDocumented(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rowColumns() {
		if !strings.Contains(string(b), "`"+c.name+"`") {
			t.Errorf("docs/METRICS.md does not say what the column %s of a record file is", c.name)
		}
	}
	for _, name := range []string{SuiteFile, SeriesFile, SummaryFile, AggregateFile} {
		if !strings.Contains(string(b), "`"+name+"`") {
			t.Errorf("docs/METRICS.md does not name %s", name)
		}
	}
}
