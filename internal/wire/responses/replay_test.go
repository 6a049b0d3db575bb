package responses_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/wire/responses"
)

// TestReplay: a stored answer that is streamed again adds up to itself, with numbers without a gap.
func TestReplay(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	bodies := [][]byte{fixture(t, "native.json"), responses.AppendAnswer(nil, story(), head())}
	for range 100 {
		bodies = append(bodies, responses.AppendAnswer(nil, randomAnswer(rnd), head()))
	}
	for _, body := range bodies {
		want, e := responses.ReadAnswer([]byte(body))
		if e != nil {
			t.Fatal(e)
		}
		stream, err := responses.Replay(nil, body, -1)
		if err != nil {
			t.Fatal(err)
		}
		for i, ev := range events(t, stream, 1<<20) {
			var d struct {
				Type     string
				Sequence int `json:"sequence_number"`
			}
			if err := json.Unmarshal(ev.Data, &d); err != nil || d.Type != string(ev.Name) || d.Sequence != i {
				t.Fatalf("event %d: %v %s", i, err, ev.Raw)
			}
		}
		got, e := fold(t, stream)
		if e != nil {
			t.Fatal(e)
		}
		for i := range want.Choices { // a replay does not tell how likely each token was, but at its end
			want.Choices[i].Logprobs = nil
			for j := range want.Choices[i].Parts { // white space between tokens is no matter
				if raw := &want.Choices[i].Parts[j].Raw; *raw != "" {
					*raw = got.Choices[i].Parts[j].Raw
				}
			}
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("(-want +got):\n%s", d)
		}
	}
	if _, err := responses.Replay(nil, []byte("["), -1); err == nil {
		t.Error("what is no answer is replayed")
	}
}
