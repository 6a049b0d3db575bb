package anthropic

import (
	"bytes"
	"strings"

	"sluice/internal/wire"
)

// detail is what an error body says:
//
//	{"type":"error","error":{type,message,details:{error_code}},"request_id"}   the protocol's form
//	{"error":{...}} {"error":"text"} {"message":"text"} {"detail":"text"}       proxies, and the clouds' own errors
//	HTML or any other text, or nothing
type detail struct {
	message  string // readable, at most wire.MaxMessage bytes
	typ      string
	code     string // details.error_code
	envelope bool   // the body is in the protocol's form
}

// name returns the most telling of the provider's own names for the error.
func (d *detail) name() string {
	if d.code != "" {
		return d.code
	}
	return d.typ
}

// param returns the path of the field at fault where the message begins with one: "messages.0.content: ...".
func (d *detail) param() string {
	path, _, ok := strings.Cut(d.message, ": ")
	if !ok || path == "" || len(path) > 100 || d.typ != "invalid_request_error" {
		return ""
	}
	for i := range len(path) {
		c := path[i]
		if c != '.' && c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return ""
		}
	}
	return path
}

// refusal returns body if it is in the protocol's form, so that it can be forwarded; otherwise nil.
func (d *detail) refusal(body []byte) []byte {
	if !d.envelope {
		return nil
	}
	return body
}

// readDetail reads an error body. It keeps no part of it.
func readDetail(body []byte) (d detail) {
	body = bytes.TrimSpace(body)
	if !wire.Valid(body) {
		d.message = wire.Plain(body)
		return d
	}
	var sc wire.Scanner
	sc.Reset(body)
	if !sc.Object() {
		sc.Say(&d.message)
		return d
	}
	marked, object := false, false
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		switch string(name) {
		case "type":
			marked = wire.EqualString(sc.Value().Of(body), "error")
		case "error":
			object = d.inError(&sc, body) || object
		case "message", "detail", "Message":
			sc.Say(&d.message)
		default:
			sc.Value()
		}
	}
	d.envelope = marked && object
	return d
}

// inError reads the value of error and reports whether it is an object.
func (d *detail) inError(sc *wire.Scanner, body []byte) bool {
	if !sc.Object() {
		sc.Say(&d.message)
		return false
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return true
		}
		switch string(name) {
		case "message":
			d.message = "" // it says more than what stands outside
			sc.Say(&d.message)
		case "type":
			sc.Say(&d.typ)
		case "details":
			d.inDetails(sc, body)
		default:
			sc.Value()
		}
	}
}

// inDetails reads error.details.
func (d *detail) inDetails(sc *wire.Scanner, body []byte) {
	if !sc.Object() {
		sc.Value()
		return
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		if string(name) == "error_code" {
			sc.Say(&d.code)
			continue
		}
		sc.Value()
	}
}

// maskAccounts replaces ids of the operator's organization or workspace in text, JSON or not: the texts of rate limits have
// them ("your organization's rate limit (org: 0a1b..., model: ...)"), and they are no business of clients. They are UUIDs, or
// begin with wrkspc_ or org_. Where there is none, text is returned as it is.
func maskAccounts(text string) string {
	return wire.MaskIDs(text, func(rest string) (start, end int, ok bool) {
		n := accountID(rest)
		return 0, n, n > 0
	})
}

// accountID returns the length of the id that text begins with, 0 if there is none.
func accountID(text string) int {
	for _, prefix := range [...]string{"wrkspc_", "org_", "org-"} {
		if !strings.HasPrefix(text, prefix) {
			continue
		}
		n := len(prefix)
		for n < len(text) && wire.Alnum(text[n]) {
			n++
		}
		if id := text[len(prefix):n]; len(id) >= 6 && strings.ContainsAny(id, "0123456789") {
			return n
		}
	}
	const uuid = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(text) < len(uuid) || len(text) > len(uuid) && wire.Alnum(text[len(uuid)]) {
		return 0
	}
	for i := range len(uuid) {
		c := text[i]
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash := uuid[i] == '-'; dash != (c == '-') || !dash && !hex {
			return 0
		}
	}
	return len(uuid)
}
