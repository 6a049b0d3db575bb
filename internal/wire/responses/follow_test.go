package responses_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/responses"
)

// follow forwards a stream that comes in pieces of size bytes.
func follow(t testing.TB, o wire.FollowOptions, stream []byte, size int) (out []byte, f wire.Follower) {
	t.Helper()
	f = responses.NewFollower()
	f.Reset(o)
	for _, ev := range events(t, stream, size) {
		ev.At = bytes.Index(ev.Raw, ev.Data)
		if len(ev.Data) == 0 || ev.At < 0 {
			ev.At = -1
		}
		if f.Observe(&ev) == wire.Forward {
			out = append(out, ev.Raw...)
		}
	}
	return f.End(out), f
}

var nativeUsage = llm.Usage{Input: 30, CachedInput: 10, CacheWrite: 5, Output: 40, Reasoning: 20}

// TestFollowForwardsBytes: however a stream is cut into reads, framed with CRLF, or mixed with comments, what the client gets is what
// the provider sent, members that nobody knows included.
func TestFollowForwardsBytes(t *testing.T) {
	t.Parallel()
	plain := fixture(t, "native.sse")
	crlf := bytes.ReplaceAll(plain, []byte("\n"), []byte("\r\n"))
	comments := bytes.ReplaceAll(plain, []byte("event: "), []byte(": keep-alive\n\nevent: "))
	for name, stream := range map[string][]byte{"plain": plain, "crlf": crlf, "comments": comments, "no blank line at the end": plain[:len(plain)-1]} {
		for _, size := range []int{1, 7, 1000, 1 << 20} {
			out, f := follow(t, wire.FollowOptions{}, stream, size)
			if !bytes.HasPrefix(out, stream) || len(out) > len(stream)+1 { // a blank line that is missing at the end is added
				t.Errorf("%s, reads of %d: the stream has changed", name, size)
			}
			st := f.State()
			if !f.Finished() || !st.Done || !st.Content || !st.Text || st.Malformed > 0 || st.Err != nil {
				t.Errorf("%s, reads of %d: %+v", name, size, st)
			}
			if !st.HasUsage || st.Usage != nativeUsage || st.Tier != "default" {
				t.Errorf("%s: usage %+v, tier %q", name, st.Usage, st.Tier)
			}
			if want := len("**Plan**\n\nThink.") + len("Again.") + len("Zürich 😀 ok") + 2*len(`{"city":"Bern"}`) - 1; st.OutputBytes != want {
				t.Errorf("%s: %d bytes of output, want %d", name, st.OutputBytes, want)
			}
		}
	}
}

// TestFollowModel: the name of the model changes, and nothing else.
func TestFollowModel(t *testing.T) {
	t.Parallel()
	stream := fixture(t, "native.sse")
	for _, model := range []string{"m", "a much longer name than the provider has for it", `with "quotes"`} {
		quoted, _ := json.Marshal(model)
		want := bytes.ReplaceAll(stream, []byte(`"gpt-5-2025-08-07"`), quoted)
		out, f := follow(t, wire.FollowOptions{Model: model, Keep: true}, stream, 333)
		if d := cmp.Diff(string(want), string(out)); d != "" {
			t.Errorf("%s (-want +got):\n%s", model, d)
		}
		var final struct{ Model, Status string }
		if err := json.Unmarshal(f.State().Final, &final); err != nil || final.Model != model || final.Status != "completed" {
			t.Errorf("kept answer: %+v, %v", final, err)
		}
	}
	if _, f := follow(t, wire.FollowOptions{}, stream, 333); f.State().Final != nil {
		t.Error("an answer is kept that nobody asked for")
	}
}

// TestFollowLines: an event whose data comes in several lines is put in one when it must change.
func TestFollowLines(t *testing.T) {
	t.Parallel()
	stream := "event: response.completed\ndata: {\"type\":\"response.completed\",\ndata: \"response\":{\"model\":\"a\",\ndata: \"status\":\"completed\"}}\n\n"
	out, f := follow(t, wire.FollowOptions{Model: "b"}, []byte(stream), 10)
	want := "event: response.completed\ndata: {\"type\":\"response.completed\", \"response\":{\"model\":\"b\", \"status\":\"completed\"}}\n\n"
	if d := cmp.Diff(want, string(out)); d != "" || !f.Finished() {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestFollowContent: beginnings are no content, and reasoning is no text.
func TestFollowContent(t *testing.T) {
	t.Parallel()
	all := events(t, fixture(t, "native.sse"), 4096)
	f := responses.NewFollower()
	f.Reset(wire.FollowOptions{})
	first := map[string]int{}
	for i := range all {
		f.Observe(&all[i])
		if st := f.State(); st.Content && first["content"] == 0 {
			first["content"] = i
			if string(all[i].Name) != "response.reasoning_summary_text.delta" {
				t.Errorf("content begins with %s", all[i].Name)
			}
		} else if st.Text && first["text"] == 0 {
			first["text"] = i
			if string(all[i].Name) != "response.output_item.added" || !bytes.Contains(all[i].Data, []byte("web_search_call")) {
				t.Errorf("text begins with %s", all[i].Data)
			}
		}
	}
	if len(first) != 2 {
		t.Errorf("seen: %v", first)
	}
}

// TestFollowErrors: PROVIDERS.md 8.3 for this dialect. Errors come in a 200 stream in several forms; the failure that the client is told
// goes on with the numbers.
func TestFollowErrors(t *testing.T) {
	t.Parallel()
	begin := "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"model\":\"m\",\"status\":\"in_progress\"}}\n\n"
	f := func(event string, kind llm.Kind, message string) {
		t.Helper()
		out, fl := follow(t, wire.FollowOptions{}, []byte(begin+event), 4096)
		if string(out) != begin {
			t.Errorf("forwarded: %s", out)
		}
		e := fl.State().Err
		if e == nil || e.Kind != kind || !strings.Contains(e.Message, message) || fl.Finished() {
			t.Errorf("%s: %v, want %s: %s", event, e, kind, message)
		}
		if fail := string(fl.Fail(nil, llm.Errorf(llm.KindStalled, "x"))); !strings.Contains(fail, `"sequence_number":1,`) {
			t.Errorf("failure: %s", fail)
		}
		_, re := fold(t, []byte(begin+event))
		if re == nil || re.Kind != kind || re.Message != e.Message {
			t.Errorf("reader: %v, want %v", re, e)
		}
	}
	named := func(data string) string { return "event: error\ndata: " + data + "\n\n" }
	f(named(`{"type":"error","code":"server_error","message":"It broke.","param":null,"sequence_number":1}`), llm.KindProviderStream, "It broke.")
	f(named(`{"type":"error","sequence_number":1,"error":{"type":"server_error","code":"server_is_overloaded","message":"Busy."}}`), llm.KindOverloaded, "Busy.")
	f("data: {\"type\":\"error\",\"code\":\"context_length_exceeded\",\"message\":\"Too long.\",\"param\":\"input\"}\n\n", llm.KindContextLength, "Too long.")
	f("data: {\"error\":{\"code\":\"slow_down\",\"message\":\"in organization org-abc123\"}}\n\n", llm.KindRateLimited, "slow_down")
	f(named(`{"type":"error","code":429,"message":"numbers"}`), llm.KindProviderStream, "numbers")
	f(named(`oh no`), llm.KindProviderStream, "provider sent an error")
	failed := func(err string) string {
		return "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":0,\"response\":{\"status\":\"failed\",\"error\":" + err + "}}\n\n"
	}
	f(failed(`{"code":"server_error","message":"It broke."}`), llm.KindProviderStream, "It broke.")
	f(failed(`{"code":"rate_limit_exceeded","message":"Rate limit reached for org-abc123"}`), llm.KindRateLimited, "rate_limit_exceeded")
	f(failed(`{"code":"invalid_prompt","message":"Flagged."}`), llm.KindContentFilter, "Flagged.")
	f(failed(`{"code":"invalid_image_url","message":"No image."}`), llm.KindRejected, "No image.")
	f(failed(`{"code":"insufficient_quota","message":"pay"}`), llm.KindQuotaExhausted, "insufficient_quota")
	f(failed(`null`), llm.KindProviderStream, "provider sent an error")
}

// TestFollowMalformed: what cannot be read is left out, and counted.
func TestFollowMalformed(t *testing.T) {
	t.Parallel()
	stream := fixture(t, "native.sse")
	out, f := follow(t, wire.FollowOptions{}, append([]byte("event: response.x\ndata: {oops\n\n"), stream...), 4096)
	if !bytes.Equal(out, stream) || f.State().Malformed != 1 || !f.Finished() {
		t.Errorf("malformed: %d, finished: %v", f.State().Malformed, f.Finished())
	}
}

// TestFollowCut: a stream that ends before its terminal event is not finished, [DONE] or not.
func TestFollowCut(t *testing.T) {
	t.Parallel()
	stream := fixture(t, "native.sse")
	cut := stream[:bytes.Index(stream, []byte("event: response.completed"))]
	for _, end := range []string{"", "data: [DONE]\n\n"} {
		out, f := follow(t, wire.FollowOptions{}, append(bytes.Clone(cut), end...), 4096)
		if f.Finished() || !bytes.Equal(out, cut) {
			t.Errorf("end %q: finished %v", end, f.Finished())
		}
		if _, e := fold(t, append(bytes.Clone(cut), end...)); e == nil || e.Kind != llm.KindTruncated {
			t.Errorf("end %q: %v", end, e)
		}
	}
}

func TestFollowAllocs(t *testing.T) {
	f := responses.NewFollower()
	f.Reset(wire.FollowOptions{Model: "another"})
	raw := []byte("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"item_id\":\"m\",\"output_index\":0,\"delta\":\"a token\",\"logprobs\":[]}\n\n")
	at := bytes.IndexByte(raw, '{')
	if n := testing.AllocsPerRun(1000, func() {
		ev := wire.Event{Name: raw[7:33], Data: raw[at : len(raw)-2], Raw: raw, At: at}
		if f.Observe(&ev) != wire.Forward {
			t.Fatal("dropped")
		}
	}); n > 0 {
		t.Errorf("%v allocations per delta", n)
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	body := fixture(t, "native.json")
	a, e := responses.Scan(llm.OpChat, body)
	if e != nil {
		t.Fatal(e)
	}
	if !a.Complete || a.Usage != nativeUsage || !a.HasUsage || a.Tier != "default" || a.OutputBytes == 0 {
		t.Errorf("%+v", a)
	}
	want := bytes.Replace(body, []byte(`"gpt-5-2025-08-07"`), []byte(`"shown"`), 1)
	if d := cmp.Diff(string(want), string(a.AppendAnswer(nil, body, "shown"))); d != "" {
		t.Error(d)
	}
	f := func(body string, kind llm.Kind, complete bool) {
		t.Helper()
		a, e := responses.Scan(llm.OpChat, []byte(body))
		got := llm.KindNone
		if e != nil {
			got = e.Kind
		}
		if got != kind || a.Complete != complete {
			t.Errorf("%s: %v, complete %v", body, e, a.Complete)
		}
		if complete || kind != llm.KindNone {
			if _, e := responses.ReadAnswer([]byte(body)); (e == nil) != complete {
				t.Errorf("%s: ReadAnswer: %v", body, e)
			}
		}
	}
	f(`{"status":"completed","output":[]}`, llm.KindNone, true)
	f(`{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[],"error":null}`, llm.KindNone, true)
	f(`{"status":"in_progress","output":[]}`, llm.KindNone, false)
	f(`{"status":"failed","error":{"code":"server_error","message":"x"}}`, llm.KindProviderStream, false)
	f(`{"error":{"code":"rate_limit_exceeded"}}`, llm.KindRateLimited, false)
	f(`[]`, llm.KindBadAnswer, false)
	f(``, llm.KindBadAnswer, false)
	f(`<html>`, llm.KindBadAnswer, false)
	f(strings.Repeat("[", 600), llm.KindBadAnswer, false)
}

// TestSequenceContinues: whatever numbers a provider gives, the failure has the next one.
func TestSequenceContinues(t *testing.T) {
	t.Parallel()
	stream := fixture(t, "native.sse")
	all := events(t, stream, 4096)
	f := responses.NewFollower()
	f.Reset(wire.FollowOptions{})
	for i := range all[:10] {
		f.Observe(&all[i])
	}
	if fail := string(f.Fail(nil, llm.Errorf(llm.KindTruncated, "cut"))); !strings.Contains(fail, `"sequence_number":`+strconv.Itoa(10)+`,`) {
		t.Error(fail)
	}
}
