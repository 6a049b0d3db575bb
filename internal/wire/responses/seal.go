package responses

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"sluice/internal/llm"
)

// sealPrefix begins an encrypted_content that Sluice made. What follows is a seal as JSON in base64url.
const sealPrefix = "sluice1."

// seal is what a reasoning item carries for a provider of another dialect, so that clients that keep the conversation themselves
// bring it back.
type seal struct {
	Origin    string `json:"o"`           // the dialect's name
	Signature string `json:"s"`           // what that dialect calls signature
	Redacted  bool   `json:"r,omitempty"` // thinking that only the provider can read
	// Call is the tool call that the signature proves, in place of the item's own thinking (Gemini signs tool calls).
	Call string `json:"c,omitempty"`
	// Text says that the signature proves the text before the item.
	Text bool `json:"t,omitempty"`
}

// encode returns the seal as an encrypted_content.
func (s *seal) encode() string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a seal of strings cannot be written: " + err.Error())
	}
	return sealPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// openSeal reads an encrypted_content that Sluice made. ok is false for any other.
func openSeal(content string) (s seal, ok bool) {
	rest, ok := strings.CutPrefix(content, sealPrefix)
	if !ok {
		return s, false
	}
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil || json.Unmarshal(b, &s) != nil || dialectOf(s.Origin) == 0 {
		return seal{}, false
	}
	return s, true
}

// dialectOf returns the dialect of a name, 0 if there is none.
func dialectOf(name string) llm.Dialect {
	for d := llm.OpenAI; d <= llm.Jina; d++ {
		if d.String() == name {
			return d
		}
	}
	return 0
}

// joinSignature puts a reasoning item's id in front of its encrypted_content. Providers want both back, while every other dialect
// has room for one text only.
func joinSignature(id, content string) string {
	if content == "" || !strings.HasPrefix(id, reasoningID) || strings.ContainsRune(id, '/') {
		return content
	}
	return id + "/" + content
}

// splitSignature undoes joinSignature. id is "" if there was none.
func splitSignature(signature string) (id, content string) {
	if strings.HasPrefix(signature, reasoningID) {
		if id, content, ok := strings.Cut(signature, "/"); ok {
			return id, content
		}
	}
	return "", signature
}
