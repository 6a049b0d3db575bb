package dialect_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
	"sluice/internal/wire/bedrock"
)

var update = flag.Bool("update", false, "write the golden files")

// fixtures returns the files of a folder of testdata, by dialect.
func fixtures(t testing.TB, kind string, d llm.Dialect) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", kind, d.String(), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s of %s: %v", kind, d, err)
	}
	return files
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden compares with the file of a fixture's name, or writes it.
func golden(t *testing.T, fixture, got string) {
	t.Helper()
	name := strings.TrimSuffix(fixture, ".json") + ".golden"
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(read(t, name)), got); d != "" {
		t.Errorf("%s (if it is right: go test -update): %s", name, d)
	}
}

// indent returns a JSON text for people. What is none fails.
func indent(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", " "); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return out.String()
}

// column is one target of the golden files: a dialect, or a model that has less than it.
type column struct {
	name   string
	to     llm.Dialect
	traits *model.Traits
}

func columns() []column {
	var all []column
	for _, d := range dialect.Targets() {
		all = append(all, column{d.String(), d, nil})
	}
	for _, m := range []struct {
		to        llm.Dialect
		api, name string
	}{
		{llm.OpenAI, "openai", "o3"},
		{llm.OpenAI, "mistral", "mistral-large-2512"},
		{llm.OpenAI, "deepseek", "deepseek-v4-pro"},
		{llm.Anthropic, "anthropic", "claude-sonnet-5-5"},
		{llm.Anthropic, "anthropic", "claude-3-7-sonnet-20250219"},
		{llm.Gemini, "gemini", "gemini-3.8-flash"},
		{llm.Converse, "bedrock", "anthropic.claude-haiku-4-5-v1:0"},
	} {
		tr := model.TraitsOf(m.api, m.name)
		all = append(all, column{m.to.String() + " " + m.api + "/" + m.name, m.to, &tr})
	}
	return all
}

// fronts are the dialects that clients speak.
func fronts() []llm.Dialect {
	return []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini}
}

// TestRequests translates each request of the corpus for each target, and holds body and notes to the golden file. What a target is
// sent must be understood by the target's own server end.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, from := range fronts() {
		for _, fixture := range fixtures(t, "requests", from) {
			t.Run(from.String()+"/"+filepath.Base(fixture), func(t *testing.T) {
				t.Parallel()
				chat, e := dialect.Of(from).ReadChat(llm.OpChat, read(t, fixture))
				if e != nil {
					t.Fatal(e)
				}
				chat.Model = "m" // in some dialects it stands in the path
				var out strings.Builder
				for _, col := range columns() {
					if col.to == from && col.traits == nil {
						continue
					}
					a, notes, e := dialect.Adapt(chat, from, col.to, col.traits)
					if e != nil {
						t.Fatal(e)
					}
					body := a.AppendBody(nil)
					fmt.Fprintf(&out, "## %s\n", col.name)
					for _, n := range notes {
						mark := "lost"
						if n.Minor {
							mark = "minor"
						}
						fmt.Fprintf(&out, "%s %s: %s\n", mark, n.Param, n.Reason)
					}
					out.WriteString(indent(t, body) + "\n\n")
					if _, e := dialect.Of(col.to).ReadChat(llm.OpChat, body); e != nil {
						t.Errorf("%s does not understand %s: %v", col.name, body, e)
					}
				}
				golden(t, fixture, out.String())
			})
		}
	}
}

// head is what the gateway knows of each answer below.
func head() *llm.Head {
	return &llm.Head{ID: "01TEST", Created: time.Unix(1_760_000_000, 0).UTC(), Op: llm.OpChat, Usage: true}
}

// events cuts a stream of a dialect into what its reader is given.
func events(t *testing.T, d llm.Dialect, b []byte) []wire.Event {
	t.Helper()
	var all []wire.Event
	keep := func(ev wire.Event) {
		ev.Name, ev.Data, ev.Raw = bytes.Clone(ev.Name), bytes.Clone(ev.Data), bytes.Clone(ev.Raw)
		all = append(all, ev)
	}
	src := bytes.NewReader(b)
	type reader interface {
		Next() (wire.Event, bool, error)
	}
	var r reader
	var end func() (wire.Event, bool)
	var fillErr error
	var fill func(io.Reader) (int, error)
	if d == llm.Converse {
		f := new(bedrock.Frames)
		r, fill, end = f, f.Fill, f.Last
	} else {
		s := new(wire.Reader)
		r, fill, end = s, s.Fill, s.Last
	}
	for fillErr == nil { // all of it: the events stay valid as long as nothing more is filled in
		_, fillErr = fill(src)
	}
	for {
		ev, ok, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		keep(ev)
	}
	if ev, ok := end(); ok {
		keep(ev)
	}
	return all
}

// written returns an answer as a stream of a dialect.
func written(d llm.Dialect, a *llm.Answer) []byte {
	w := dialect.Of(d).NewWriter(head())
	var dst []byte
	for _, e := range llm.Unfold(a) {
		if e.Kind != llm.EventEnd {
			dst = w.Write(dst, &e)
		}
	}
	return w.End(dst)
}

// folded reads a stream of a dialect to its end.
func folded(t *testing.T, d llm.Dialect, b []byte) *llm.Answer {
	t.Helper()
	r := dialect.Of(d).NewReader()
	var f llm.Folder
	add := func(all []llm.Event, e *llm.Error) {
		t.Helper()
		for i := range all {
			if all[i].Kind == llm.EventMalformed {
				t.Errorf("%s: malformed event in %s", d, b)
			}
			f.Add(&all[i])
		}
		if e != nil {
			t.Errorf("%s: %v in %s", d, e, b)
		}
	}
	for _, ev := range events(t, d, b) {
		if !ev.Comment {
			add(r.Read(nil, ev.Name, ev.Data))
		}
	}
	add(r.End(nil))
	return f.Answer()
}

// TestAnswers translates each answer of the corpus for each client, whole and streamed. The whole is held to the golden file; the stream,
// which goes through the target's own stream and the gateway's translation, must fold to what the whole says.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, to := range dialect.Targets() {
		for _, fixture := range fixtures(t, "answers", to) {
			t.Run(to.String()+"/"+filepath.Base(fixture), func(t *testing.T) {
				t.Parallel()
				answer, e := dialect.Of(to).ReadAnswer(read(t, fixture))
				if e != nil {
					t.Fatal(e)
				}
				upstream := written(to, answer)
				streamed := folded(t, to, upstream) // as answer, but for ids and the like that the writer made
				var out strings.Builder
				for _, front := range fronts() {
					if front == to {
						continue
					}
					body := dialect.Of(front).AppendAnswer(nil, answer, head())
					fmt.Fprintf(&out, "## %s\n%s\n\n", front, indent(t, body))
					whole, e := dialect.Of(front).ReadAnswer(dialect.Of(front).AppendAnswer(nil, streamed, head()))
					if e != nil {
						t.Fatalf("%s: %v: %s", front, e, body)
					}
					tr := dialect.Translate(dialect.Of(to).NewReader(), dialect.Of(front).NewWriter(head()), &dialect.TranslateOptions{Choices: len(answer.Choices), Fold: true})
					var stream []byte
					for _, ev := range events(t, to, upstream) {
						if tr.Observe(&ev) == wire.Forward {
							stream = append(stream, ev.Raw...)
						}
					}
					if tr.Err != nil || !tr.Finished() {
						t.Fatalf("%s: %v, finished %t", front, tr.Err, tr.Finished())
					}
					stream = tr.End(stream)
					fmt.Fprintf(&out, "## %s, streamed\n%s\n", front, stream)
					if d := cmp.Diff(whole, folded(t, front, stream), cmpopts.EquateEmpty()); d != "" {
						t.Errorf("%s: the stream does not fold to the whole: %s\n%s", front, d, stream)
					}
				}
				golden(t, fixture, out.String())
			})
		}
	}
}
