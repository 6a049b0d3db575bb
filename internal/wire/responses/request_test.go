package responses_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/responses"
)

func TestParseRequest(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body string, want responses.Request) {
		t.Helper()
		rq, e := responses.ParseRequest(op, []byte(body))
		if e != nil {
			t.Errorf("%s: %s", body, e.Message)
			return
		}
		rq.InputBytes, want.Choices = 0, 1
		if d := cmp.Diff(want, rq, cmp.FilterPath(func(p cmp.Path) bool {
			return p.Last().String() == ".model" || p.Last().String() == ".input" || p.Last().String() == ".sealed"
		}, cmp.Ignore()), cmp.AllowUnexported(responses.Request{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", body, d)
		}
	}
	of := func(rq wire.Request) responses.Request { return responses.Request{Request: rq, Store: true} }
	f(llm.OpChat, `{"model":"m"}`, of(wire.Request{Model: "m"}))
	f(llm.OpChat, `{"model":"m\u0041","stream":true,"max_output_tokens":5e1,"user":"u","safety_identifier":"s","service_tier":"flex"}`,
		of(wire.Request{Model: "mA", Stream: true, MaxTokens: 50, User: "u", ServiceTier: "flex"}))
	f(llm.OpChat, `{"model":"m","safety_identifier":"s","store":null,"background":null,"conversation":null,"previous_response_id":null}`,
		of(wire.Request{Model: "m", User: "s"}))
	f(llm.OpChat, `{"model":"m","background":true,"store":false,"previous_response_id":"resp_1","conversation":{"id":"c"}}`,
		responses.Request{Request: wire.Request{Model: "m"}, Background: true, PreviousID: "resp_1", Conversation: true})
	f(llm.OpChat, `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:x"},{"type":"input_image","file_id":null}]}]}`,
		of(wire.Request{Model: "m", MediaTokens: 256}))
	f(llm.OpCountTokens, `{"model":"m","input":"x"}`, of(wire.Request{Model: "m"}))
}

func TestInputBytes(t *testing.T) {
	t.Parallel()
	f := func(body string, want int) {
		t.Helper()
		rq, e := responses.ParseRequest(llm.OpChat, []byte(body))
		if e != nil || rq.InputBytes != want {
			t.Errorf("%s: %d bytes, %v; want %d", body, rq.InputBytes, e, want)
		}
	}
	f(`{"model":"m","input":"h\u0069"}`, 12+2)
	f(`{"model":"m","instructions":"abc","input":[{"role":"user","content":"hello"}]}`, 3+12+4+5)
	f(`{"model":"m","tools":[{"type":"custom","name":"f"}]}`, len(`[{"type":"custom","name":"f"}]`))
	f(`{"model":"m","input":[{"type":"reasoning","encrypted_content":"`+strings.Repeat("x", 1000)+`"}]}`, 12)
}

func TestParseRequestErrors(t *testing.T) {
	t.Parallel()
	f := func(body, param, message string) {
		t.Helper()
		_, e := responses.ParseRequest(llm.OpChat, []byte(body))
		if e == nil || e.Kind != llm.KindBadRequest || e.Param != param || !strings.Contains(e.Message, message) {
			t.Errorf("%s: %v, want %s: %s", body, e, param, message)
		}
	}
	f("", "", "empty")
	f("[]", "", "an array")
	f(`{"model":"m"`, "", "not valid JSON")
	f(`{"model":"m"} x`, "", "not valid JSON")
	f(`{}`, "model", "missing")
	f(`{"model":1}`, "model", "a string")
	f(`{"model":""}`, "model", "empty")
	f(`{"model":"`+strings.Repeat("m", 600)+`"}`, "model", "512")
	f(`{"model":"m","model":"n"}`, "model", "twice")
	f(`{"Model":"m"}`, "model", "another case")
	f(`{"model":"m","stream":"yes"}`, "stream", "a boolean")
	f(`{"model":"m","max_output_tokens":"5"}`, "max_output_tokens", "whole number")
	f(`{"model":"m","max_output_tokens":1.5}`, "max_output_tokens", "1.5")
	f(`{"model":"m","previous_response_id":5}`, "previous_response_id", "a string")
	f(`{"model":"m","previous_response_id":"`+strings.Repeat("r", 300)+`"}`, "previous_response_id", "256")
	f(`{"model":"m","input":5}`, "input", "a string or a list")
}

// TestAppendUpstream: only what must change does.
func TestAppendUpstream(t *testing.T) {
	t.Parallel()
	f := func(body string, c wire.Change, want string) {
		t.Helper()
		rq, e := responses.ParseRequest(llm.OpChat, []byte(body))
		if e != nil {
			t.Fatal(e)
		}
		if d := cmp.Diff("x"+want, string(rq.AppendUpstream([]byte("x"), []byte(body), &c))); d != "" {
			t.Errorf("%s (-want +got):\n%s", body, d)
		}
	}
	body := "{ \"model\" : \"a\",\n \"input\": [ {\"role\":\"user\",\"content\":\"x\",\"new\":1} ], \"unheard\":[1e5, 0.10] }"
	f(body, wire.Change{}, body)
	f(body, wire.Change{Model: "a"}, body)
	f(body, wire.Change{Model: "b", Usage: true, Account: "x"}, strings.Replace(body, `"a"`, `"b"`, 1))
	f(`{"model":"a","previous_response_id":"r","input":"x"}`, wire.Change{Model: "b", Drop: []string{"previous_response_id"}, Set: []llm.Member{{Name: "input", Value: `["y"]`}}},
		`{"model":"b","input":["y"]}`)
	seal := `{"type":"reasoning","summary":[],"encrypted_content":"sluice1.eyJvIjoiYW50aHJvcGljIiwicyI6InNpZy1hIn0"}`
	other := `{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}`
	said := `{"role":"user","content":"what is \"sluice1.x\"?"}`
	f(`{"model":"a","input":[`+seal+`, `+said+`,`+seal+`,`+other+`],"x":1}`, wire.Change{Model: "b"}, `{"model":"b","input":[`+said+`,`+other+`],"x":1}`)
	f(`{"input":[`+said+`,`+seal+`],"model":"a"}`, wire.Change{Model: "b"}, `{"input":[`+said+`],"model":"b"}`)
}

func TestParseAllocs(t *testing.T) {
	body := []byte(`{"model":"gpt-5","input":[{"role":"user","content":[{"type":"input_text","text":"hello"}]}],"stream":true,"temperature":0.1}`)
	if n := testing.AllocsPerRun(100, func() {
		if _, e := responses.ParseRequest(llm.OpChat, body); e != nil {
			t.Fatal(e)
		}
	}); n > 1 {
		t.Errorf("%v allocations, want the model's name only", n)
	}
}
