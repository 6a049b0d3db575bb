package gemini

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// finishes are the words for why a candidate ended (FinishReason and BlockedReason of go-genai 1.77.0; MALFORMED_RESPONSE is
// in @google/genai 3.1.0). The first row of a Finish is the word that it is given. The table is never written.
var finishes = [...]struct {
	reason string
	finish llm.Finish
	block  bool // only a prompt is blocked for it
}{
	{"STOP", llm.FinishStop, false},
	{"MAX_TOKENS", llm.FinishLength, false},
	{"SAFETY", llm.FinishFilter, false},
	{"RECITATION", llm.FinishFilter, false},
	{"BLOCKLIST", llm.FinishFilter, false},
	{"PROHIBITED_CONTENT", llm.FinishFilter, false},
	{"SPII", llm.FinishFilter, false},
	{"IMAGE_SAFETY", llm.FinishFilter, false},
	{"IMAGE_PROHIBITED_CONTENT", llm.FinishFilter, false},
	{"IMAGE_RECITATION", llm.FinishFilter, false},
	{"MODEL_ARMOR", llm.FinishFilter, true},
	{"JAILBREAK", llm.FinishFilter, true},
	{"OTHER", llm.FinishOther, false},
	{"LANGUAGE", llm.FinishOther, false},
	{"MALFORMED_FUNCTION_CALL", llm.FinishOther, false},
	{"UNEXPECTED_TOOL_CALL", llm.FinishOther, false},
	{"TOO_MANY_TOOL_CALLS", llm.FinishOther, false},
	{"MALFORMED_RESPONSE", llm.FinishOther, false},
	{"IMAGE_OTHER", llm.FinishOther, false},
	{"NO_IMAGE", llm.FinishOther, false},
	{"CONTINUATION", llm.FinishPause, false}, // to be continued by sending the continuation token back
}

// unspecified are the words that say nothing.
func unspecified(reason []byte) bool {
	return len(reason) <= 2 || wordIs(reason, "FINISH_REASON_UNSPECIFIED") || wordIs(reason, "BLOCKED_REASON_UNSPECIFIED")
}

// wordIs reports whether the JSON string lit, which has no escapes, is word.
func wordIs(lit []byte, word string) bool {
	return len(lit) == len(word)+2 && string(lit[1:len(lit)-1]) == word
}

// finishOf returns what a finishReason in quotes means, and the word itself. Google says STOP whether there are calls or
// not.
func finishOf(lit []byte, calls bool) (llm.Finish, string) {
	for i := range finishes {
		if f := &finishes[i]; wordIs(lit, f.reason) {
			if calls && f.finish == llm.FinishStop {
				return llm.FinishTools, f.reason
			}
			return f.finish, f.reason
		}
	}
	return llm.FinishOther, string(wire.Clip(lit[1:len(lit)-1], 64))
}

// reasonOf returns the finishReason for a choice's end: the provider's own word if it is Google's, and means the same.
func reasonOf(f llm.Finish, reason string) string {
	switch f {
	case llm.FinishTools, llm.FinishSequence, llm.FinishUnset:
		f = llm.FinishStop
	case llm.FinishContext:
		f = llm.FinishLength
	}
	word := "OTHER"
	for i := range finishes {
		row := &finishes[i]
		if row.finish != f || row.block {
			continue
		}
		if row.reason == reason {
			return reason
		}
		if word == "OTHER" {
			word = row.reason
		}
	}
	return word
}
