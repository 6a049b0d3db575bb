package responses

import (
	"bytes"

	"sluice/internal/wire"
)

// AppendUpstream appends body, which must be the one that r was parsed from, as the provider is sent it. The value of model differs
// if the change has another name, and so do the members that the change names. Reasoning items of other dialects' models, which
// Sluice has sealed, are left out of input: their contents mean nothing to this one. All other bytes stay.
func (r *Request) AppendUpstream(dst, body []byte, c *wire.Change) []byte {
	if !c.Plain() {
		start := len(dst)
		dst = r.splice(dst, body, c)
		return append(dst[:start], wire.AppendChanged(nil, dst[start:], c)...)
	}
	return r.splice(dst, body, c)
}

func (r *Request) splice(dst, body []byte, c *wire.Change) []byte {
	model := c.Model != "" && c.Model != r.Model && r.model.Len() > 0
	done := 0
	if r.sealed && r.input.Start < r.model.Start {
		dst, done = r.spliceInput(dst, body, done)
	}
	if model {
		dst = append(dst, body[done:r.model.Start]...)
		dst = wire.AppendString(dst, c.Model)
		done = r.model.End
	}
	if r.sealed && r.input.Start > r.model.Start {
		dst, done = r.spliceInput(dst, body, done)
	}
	return append(dst, body[done:]...)
}

// spliceInput appends body up to the end of input, without sealed items.
func (r *Request) spliceInput(dst, body []byte, done int) ([]byte, int) {
	dst = append(dst, body[done:r.input.Start]...)
	input := r.input.Of(body)
	var sc wire.Scanner
	sc.Reset(input)
	if !sc.Array() {
		return append(dst, input...), r.input.End
	}
	dst = append(dst, '[')
	first := true
	for sc.Element() {
		item := sc.Value().Of(input)
		if isSealed(item) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, item...)
	}
	return append(dst, ']'), r.input.End
}

// isSealed reports whether an item of input is a reasoning item whose content Sluice has sealed.
func isSealed(item []byte) bool {
	if !bytes.Contains(item, []byte(`"`+sealPrefix)) {
		return false
	}
	var sc wire.Scanner
	sc.Reset(item)
	if !sc.Object() {
		return false
	}
	reasoning, sealed := false, false
	for {
		name, ok := sc.Member()
		if !ok {
			return reasoning && sealed
		}
		switch string(name) {
		case "type":
			reasoning = wire.EqualString(sc.Value().Of(item), "reasoning")
		case "encrypted_content":
			sealed = bytes.HasPrefix(sc.Value().Of(item), []byte(`"`+sealPrefix))
		default:
			sc.Value()
		}
	}
}
