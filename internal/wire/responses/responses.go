// Package responses is the wire protocol of OpenAI's Responses API, at both ends: requests and answers, whole and as
// streams of named events, those that are forwarded and those that are translated. It knows no other protocol, keeps no
// conversation, opens no connections and runs no goroutines.
//
// Facts are from the types of openai-go v3.95.0 and npm openai 7 (2026-11), and from PROVIDERS.md 1.3 and 6.4 where those
// say nothing.
package responses

import (
	"fmt"

	"sluice/internal/llm"
)

// Prefixes of the ids that the protocol gives things.
const (
	responseID  = "resp_"
	messageID   = "msg_"
	functionID  = "fc_"
	customID    = "ctc_"
	reasoningID = "rs_"
	imageID     = "ig_"
	callID      = "call_"
)

// bad returns the refusal of a request for what stands at param.
func bad(param, format string, args ...any) *llm.Error {
	return &llm.Error{Kind: llm.KindBadRequest, Param: param, Message: fmt.Sprintf(format, args...)}
}

// ID returns the id of the response that answers the call id.
func ID(id string) string { return responseID + id }
