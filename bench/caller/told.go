package caller

import (
	"encoding/json"

	"sluice/internal/llm"
)

// readError reads an error as a dialect's clients do, and says what is wrong with its shape. Gemini, OpenAI and Anthropic have one shape
// for answers and streams, Responses one for each; see checkResponses.
func readError(d llm.Dialect, status int, body []byte, res *Result) *Told {
	told := &Told{Status: status}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(body, &top); err != nil {
		res.bad("an error that is no object: %.80q", body)
		return told
	}
	var e struct {
		Type    json.RawMessage `json:"type"`
		Message *string         `json:"message"`
		Status  json.RawMessage `json:"status"`
		Code    json.RawMessage `json:"code"`
		Param   json.RawMessage `json:"param"`
		Details json.RawMessage `json:"details"`
	}
	if err := json.Unmarshal(top["error"], &e); err != nil {
		res.bad("an error without an object error: %.80q", body)
		return told
	}
	if e.Message == nil || *e.Message == "" {
		res.bad("an error without a message")
	} else {
		told.Message = *e.Message
	}
	if len(e.Type) > 0 {
		_ = json.Unmarshal(e.Type, &told.Type) // what is no text is looked at below
	}
	switch d {
	case llm.Gemini:
		var number int
		if json.Unmarshal(e.Code, &number) != nil || number == 0 {
			res.bad("an error whose code is no number: %.80q", e.Code)
		} else if status != 200 && number != status {
			res.bad("an error whose code is %d with status %d", number, status)
		}
		if json.Unmarshal(e.Status, &told.Type) != nil || told.Type == "" {
			res.bad("an error without a status")
		}
		told.Code = reasonOf(e.Details)
	case llm.Anthropic:
		var kind string
		if json.Unmarshal(top["type"], &kind) != nil || kind != "error" {
			res.bad("an error whose type is %.40q", top["type"])
		}
		if told.Type == "" {
			res.bad("an error without a type")
		}
		var details struct {
			Code string `json:"error_code"`
		}
		if len(e.Details) > 0 {
			_ = json.Unmarshal(e.Details, &details) // those of a provider have another shape
		}
		told.Code = details.Code
	default:
		if e.Type == nil { // Azure's is null
			res.bad("an error without a type")
		}
		if e.Code == nil || e.Param == nil {
			res.bad("an error without code or param")
		}
		if len(e.Code) > 0 {
			_ = json.Unmarshal(e.Code, &told.Code) // null and numbers are none
		}
	}
	return told
}

// reasonOf returns the reason of the ErrorInfo in a Google error's details.
func reasonOf(details json.RawMessage) string {
	var all []struct {
		Type   string `json:"@type"`
		Reason string `json:"reason"`
	}
	if len(details) == 0 || json.Unmarshal(details, &all) != nil {
		return ""
	}
	for _, d := range all {
		if d.Reason != "" {
			return d.Reason
		}
	}
	return ""
}
