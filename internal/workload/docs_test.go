package workload

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func readDoc(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/WORKLOADS.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each YAML block of the page is a whole workload.
func TestDocumentedWorkloadsAreGood(t *testing.T) {
	t.Parallel()
	blocks := strings.Split(readDoc(t), "```yaml\n")[1:]
	for _, b := range blocks {
		src, _, _ := strings.Cut(b, "```")
		w, err := Parse("WORKLOADS.md", []byte(src))
		if err != nil {
			t.Errorf("%v\n%s", err, src)
			continue
		}
		s := mustSchedule(t, w, ScheduleOptions{})
		slot := s.Slot(0)
		if len(NewPrompter(w, Key{}).Messages(slot)) == 0 {
			t.Errorf("%s sends nothing", w.Name)
		}
	}
	if len(blocks) < 8 {
		t.Errorf("%d workloads on the page", len(blocks))
	}
}

// Each key that the reader knows is on the page, and each profile and trace.
func TestKeysAreDocumented(t *testing.T) {
	t.Parallel()
	text := readDoc(t)
	f := newFile(nil)
	var known []string
	// A key that is not known makes the reader name all that are.
	for _, path := range []string{"", "arrival", "phases", "slo", "prefix", "turns", "trace", "prompts"} {
		src := "benchmark_workload: {zzzzzzzzzzzzzzzzzz: 1}"
		if path != "" {
			src = "benchmark_workload: {" + path + ": {zzzzzzzzzzzzzzzzzz: 1}}"
		}
		f.problems = nil
		f.root(f.parseTree([]byte(src)))
		_, list, ok := strings.Cut(f.problems[0].Message, "known here: ")
		if !ok {
			t.Fatalf("%s: %v", path, f.problems)
		}
		known = append(known, strings.Split(list, ", ")...)
	}
	known = append(append(known, shippedNames(".yaml")...), traceNames()...)
	for _, key := range known {
		if !strings.Contains(text, "`"+key+"`") && !strings.Contains(text, "."+key+"`") && !strings.Contains(text, key+": ") {
			t.Errorf("docs/WORKLOADS.md does not say what %s is", key)
		}
	}
	if len(known) < 60 {
		t.Errorf("only %d keys and names: %v", len(known), known)
	}
}

// What decides what is sent must be in the hash: a field without a name in JSON would not be.
func TestHashHasEveryField(t *testing.T) {
	t.Parallel()
	hidden := []string{"load.Trace", "load.Corpus"} // by their digests
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for i := range typ.NumField() {
			sf := typ.Field(i)
			name := typ.Name() + "." + sf.Name
			if (!sf.IsExported() || sf.Tag.Get("json") == "-") && !slices.Contains(hidden, name) {
				t.Errorf("%s is not hashed", name)
			}
			field := sf.Type
			if field.Kind() == reflect.Slice {
				field = field.Elem()
			}
			if field.Kind() == reflect.Struct {
				walk(field)
			}
		}
	}
	walk(reflect.TypeFor[canonical]())
}
