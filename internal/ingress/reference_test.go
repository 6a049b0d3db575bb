package ingress

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestReferences: a client that keeps the conversation itself may refer to items of answers that are stored here, as it may at OpenAI.
func TestReferences(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, never)
	first := th.create(`{"model":"smart","input":"one"}`)
	var got struct{ Output []struct{ ID, Type string } }
	if err := json.Unmarshal(th.ask(http.MethodGet, "/v1/responses/"+first, "").Body.Bytes(), &got); err != nil || len(got.Output) != 2 {
		t.Fatalf("stored answer %+v, error %v", got, err)
	}
	thought, message := got.Output[0].ID, got.Output[1].ID
	ref := func(id string) string { return `{"type":"item_reference","id":"` + id + `"}` }
	one := `{"role":"user","content":"one"},`
	two := `,{"role":"user","content":"two"}`

	second := th.create(`{"model":"smart","input":[` + one + ref(thought) + `,` + ref(message) + two + `]}`)
	th.wantSaid("user: one", "assistant: hm(anthropic sig1) answer 1", "user: two")
	if strings.Contains(th.sent("any"), "item_reference") || !strings.Contains(th.sent("any"), `"model":"m2"`) {
		t.Errorf("sent %s", th.sent("any"))
	}
	th.create(`{"model":"smart","input":"three","previous_response_id":"` + second + `"}`)
	th.wantSaid("user: one", "assistant: hm(anthropic sig1) answer 1", "user: two", "assistant: hm(anthropic sig2) answer 2", "user: three")

	// What is not stored, or is of another key's, stays a reference: no target here can know it.
	for _, id := range []string{thought + "9", "rs_0123", "rs_a_b", "msg_", ""} {
		w := th.ask(http.MethodPost, "/v1/responses", `{"model":"smart","input":[`+one+ref(id)+two+`]}`)
		want(t, id, w, http.StatusBadRequest, "invalid_request", "input[1]")
	}
	w := ask(t, th, http.MethodPost, "/v1/responses", `{"model":"smart","input":[`+one+ref(thought)+two+`]}`, "Authorization", "Bearer "+keyB)
	want(t, "another key's", w, http.StatusBadRequest, "invalid_request", "input[1]")
}
