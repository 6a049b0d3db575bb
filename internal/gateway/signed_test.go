package gateway

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

func thought(text, signature string) llm.Part {
	return llm.Part{Kind: llm.PartThinking, Text: text, Signature: signature, Origin: llm.Anthropic}
}

func call(id, signature string) llm.Part {
	p := llm.Part{Kind: llm.PartToolCall, ID: id, Name: "look", Text: "{}", Signature: signature}
	if signature != "" {
		p.Origin = llm.Gemini
	}
	return p
}

// TestSignaturesComeBack checks what of a signed answer is put into the next request of its tool loop.
func TestSignaturesComeBack(t *testing.T) {
	t.Parallel()
	f := func(name string, answer, sent, want []llm.Part) {
		t.Helper()
		s := newSignatures()
		s.keep("team", answer)
		chat := &llm.Chat{Messages: []llm.Turn{{Role: llm.RoleUser}, {Role: llm.RoleAssistant, Parts: sent}}}
		s.restore("team", chat)
		if d := cmp.Diff(want, chat.Messages[1].Parts); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		other := &llm.Chat{Messages: []llm.Turn{{Role: llm.RoleAssistant, Parts: sent}}}
		s.restore("others", other)
		if d := cmp.Diff(sent, other.Messages[0].Parts); d != "" {
			t.Errorf("%s: another key got signatures (-want +got):\n%s", name, d)
		}
	}
	text := llm.Part{Kind: llm.PartText, Text: "let me see"}
	signed := []llm.Part{thought("hm", "s1"), text, call("a", ""), call("b", "s2")}
	f("thinking and calls", signed, []llm.Part{text, call("a", ""), call("b", "")}, []llm.Part{thought("hm", "s1"), text, call("a", ""), call("b", "s2")})
	f("thinking as text only", signed, []llm.Part{{Kind: llm.PartThinking, Text: "hm"}, call("a", "")}, []llm.Part{thought("hm", "s1"), call("a", "")})
	f("the client brings them", signed, []llm.Part{thought("mine", "s9"), call("a", "")}, []llm.Part{thought("mine", "s9"), call("a", "")})
	f("another call", signed, []llm.Part{call("x", "")}, []llm.Part{call("x", "")})
	f("nothing signed", []llm.Part{thought("hm", ""), call("a", "")}, []llm.Part{call("a", "")}, []llm.Part{call("a", "")})
	f("no call", []llm.Part{thought("hm", "s1"), text}, []llm.Part{text}, []llm.Part{text})
}

// TestSignaturesAreBounded checks each limit of what is kept.
func TestSignaturesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSignatures()
		for i := range maxSignedAnswers + 10 {
			s.keep("k", []llm.Part{call(strconv.Itoa(i), "s")})
		}
		if len(s.answers) != maxSignedAnswers || len(s.order) != maxSignedAnswers || s.find(signedKey{"k", "9"}) != nil || s.find(signedKey{"k", "10"}) == nil {
			t.Errorf("%d answers are kept, %d in order", len(s.answers), len(s.order))
		}
		time.Sleep(signedLife)
		if s.find(signedKey{"k", "10"}) != nil {
			t.Error("an old answer is found")
		}
		big := strings.Repeat("x", maxSigned-1000)
		for i := range 100 {
			s.keep("k", []llm.Part{thought(big, "s"), call("big"+strconv.Itoa(i), "")})
		}
		if s.bytes > maxSignedBytes || len(s.answers) != maxSignedBytes/maxSigned {
			t.Errorf("%d answers with %d bytes are kept", len(s.answers), s.bytes)
		}
		s.keep("k", []llm.Part{thought(big+big, "s"), call("huge", "")})
		if s.find(signedKey{"k", "huge"}) != nil {
			t.Error("an answer over the limit is kept")
		}
	})
}
