package anthropic

import (
	"testing"
	"time"
)

func TestModels(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	all := []Model{
		{ID: "smart"},
		{ID: "claude", Name: "Claude \"5\"", Created: time.Date(2026, 5, 1, 2, 0, 0, 0, time.FixedZone("", 7200)), MaxInput: 200000, MaxOutput: 64000, Images: &yes, Schema: &no},
	}
	golden(t, "models", indented(t, AppendModels(nil, all, true)))
	const none = `{"data":[],"has_more":false,"first_id":null,"last_id":null}`
	if got := string(AppendModels(nil, nil, false)); got != none {
		t.Errorf("%s", got)
	}
}
