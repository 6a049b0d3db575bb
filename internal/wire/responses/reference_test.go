package responses_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/wire/responses"
)

func TestReferences(t *testing.T) {
	t.Parallel()
	answers := map[string][]byte{
		"resp_A": []byte(`{"output":[{"id":"rs_A_0","type":"reasoning","summary":[]},{"id":"fc_A_1","type":"function_call","call_id":"c"}]}`),
		"resp_B": []byte(`{"output":[{"id":"rs_B_0","type":"reasoning","encrypted_content":"x"}]}`),
	}
	f := func(body, want string, ids ...string) {
		t.Helper()
		if d := cmp.Diff(ids, responses.References([]byte(body))); d != "" {
			t.Errorf("%s leads to (-want +got):\n%s", body, d)
		}
		got := string(responses.AppendResolved(nil, []byte(body), answers))
		if d := cmp.Diff(want, got); d != "" || !json.Valid([]byte(got)) {
			t.Errorf("%s (-want +got):\n%s", body, d)
		}
	}
	ref := func(id string) string { return `{"type":"item_reference","id":"` + id + `"}` }
	f(`{"model":"m","input":[`+ref("fc_A_1")+`,`+ref("rs_A_0")+`,{"role":"user"},`+ref("rs_B_0")+`,`+ref("fc_A_1")+`],"x":1.0}`,
		`{"model":"m","x":1.0,"input":[{"id":"fc_A_1","type":"function_call","call_id":"c"},{"role":"user"},`+
			`{"id":"rs_B_0","type":"reasoning","encrypted_content":"x"},{"id":"fc_A_1","type":"function_call","call_id":"c"}]}`, "resp_A", "resp_B")
	f(`{"input":[`+ref("fc_A_7")+`,`+ref("msg_C_0")+`,`+ref("rs_provider")+`]}`,
		`{"input":[`+ref("fc_A_7")+`,`+ref("msg_C_0")+`,`+ref("rs_provider")+`]}`, "resp_A", "resp_C")
	f(`{"input":[{"role":"user","content":"an item_reference"}]}`, `{"input":[{"role":"user","content":"an item_reference"}]}`)
}
