package wire

import "bytes"

// Walk visits the members of body, which must be one JSON object, in their order: the name, unescaped, and where the value
// stands. It validates all of body, and returns a *SyntaxError where it is no JSON. visit returns false to end the walk
// early; what follows is then not validated. ok is false if body is another value than an object.
func Walk(body []byte, visit func(name string, value Span) bool) (ok bool, err error) {
	var sc Scanner
	sc.Reset(body)
	if !sc.Object() {
		sc.Value()
		sc.End()
		return false, sc.Err()
	}
	for {
		member, more := sc.Member()
		if !more {
			break
		}
		name := string(member) // valid until the value is read
		value := sc.Value()
		if sc.Err() != nil {
			break
		}
		if !visit(name, value) {
			return true, nil
		}
	}
	sc.End()
	return true, sc.Err()
}

// Elements returns where the elements of the JSON array at a place of body stand, which a Scanner has passed, counted from the
// beginning of body. ok is false if there is another value.
func Elements(body []byte, at Span) (elements []Span, ok bool) {
	var sc Scanner
	sc.Reset(at.Of(body))
	if !sc.Array() {
		return nil, false
	}
	for sc.Element() {
		v := sc.Value()
		elements = append(elements, Span{at.Start + v.Start, at.Start + v.End})
	}
	return elements, sc.Err() == nil
}

// Text returns the text of the JSON value lit, which a Scanner has passed. ok is false if it is no string.
func Text(lit []byte) (text string, ok bool) {
	if len(lit) < 2 || lit[0] != '"' {
		return "", false
	}
	return TextOf(lit), true
}

// TextOf returns the text of the JSON string lit, which a Scanner has passed, quotes included. It allocates once.
func TextOf(lit []byte) string {
	if bytes.IndexByte(lit, '\\') < 0 {
		return string(lit[1 : len(lit)-1])
	}
	return string(Unquote(nil, lit))
}
