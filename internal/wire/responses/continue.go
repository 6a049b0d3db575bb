package responses

import (
	"bytes"
	"slices"
	"strconv"

	"sluice/internal/wire"
)

// Turn is one stored answer with the items that its request has added: what a request goes on with.
type Turn struct {
	Input []byte // JSON array, as InputItems returns it
	Body  []byte // JSON object: the answer
}

// InputItems returns the items that a valid request adds, as a JSON array: a text is the message of a user.
func InputItems(body []byte) []byte {
	input := memberOf(body, "input")
	switch {
	case len(input) == 0 || input[0] == 'n':
		return []byte("[]")
	case input[0] == '"':
		out := append([]byte(`[{"type":"message","role":"user","content":[{"type":"input_text","text":`), input...)
		return append(out, `}]}]`...)
	}
	return bytes.Clone(input)
}

// AppendContinued appends a valid request so that it says for itself what it goes on with: the items of history, oldest first, stand in
// front of its own, and previous_response_id is gone. Reasoning that only its provider could look up is left out.
func AppendContinued(dst, body []byte, history []Turn) []byte {
	var items []byte
	add := func(item []byte) {
		if len(items) > 0 {
			items = append(items, ',')
		}
		items = append(items, item...)
	}
	for i := range history {
		eachElement(history[i].Input, add)
		eachElement(memberOf(history[i].Body, "output"), func(item []byte) {
			if !isBare(item) {
				add(item)
			}
		})
	}
	eachElement(InputItems(body), add)
	c := wire.Change{Drop: []string{"previous_response_id", "input"}}
	dst = wire.AppendChanged(dst, body, &c)
	dst = append(dst[:len(dst)-1], `,"input":[`...)
	dst = append(dst, items...)
	return append(dst, `]}`...)
}

// isBare reports whether an item is reasoning without its encrypted content, which means nothing to a provider that has not stored
// it. What is shown of it is a summary only.
func isBare(item []byte) bool {
	if !wire.EqualString(memberOf(item, "type"), "reasoning") {
		return false
	}
	encrypted := memberOf(item, "encrypted_content")
	return len(encrypted) <= len(`""`) || encrypted[0] != '"'
}

// memberOf returns the value of a member of a valid JSON object; empty if it is not there.
func memberOf(b []byte, name string) []byte {
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Object() {
		return nil
	}
	for {
		member, ok := sc.Member()
		if !ok {
			return nil
		}
		found := string(member) == name
		if v := sc.Value(); found {
			return v.Of(b)
		}
	}
}

// eachElement calls do for each element of a valid JSON array.
func eachElement(b []byte, do func(v []byte)) {
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Array() {
		return
	}
	for sc.Element() {
		do(sc.Value().Of(b))
	}
}

// Page says which input items are listed.
type Page struct {
	After string // id of the item before the first
	Limit int
	Asc   bool // oldest first
}

// AppendInputItems appends the list of the items that the request of a response has added. Items that came without an id have one
// made of the response's. ok is false if there is no item Page.After.
func AppendInputItems(dst, input []byte, id string, page Page) (out []byte, ok bool) {
	var items, ids [][]byte
	eachElement(input, func(v []byte) {
		item, itemID := listed(v, id, len(items))
		items, ids = append(items, item), append(ids, itemID)
	})
	if !page.Asc {
		slices.Reverse(items)
		slices.Reverse(ids)
	}
	first := 0
	if page.After != "" {
		first = 1 + slices.IndexFunc(ids, func(v []byte) bool { return wire.EqualString(v, page.After) })
		if first == 0 {
			return dst, false
		}
	}
	last := min(first+page.Limit, len(items))
	dst = append(dst, `{"object":"list","data":[`...)
	dst = append(dst, bytes.Join(items[first:last], []byte(","))...)
	dst = append(dst, `],"first_id":`...)
	if first < last {
		dst = append(append(append(dst, ids[first]...), `,"last_id":`...), ids[last-1]...)
	} else {
		dst = append(dst, `null,"last_id":null`...)
	}
	dst = append(dst, `,"has_more":`...)
	return append(strconv.AppendBool(dst, last < len(items)), '}'), true
}

// listed returns an item of input as it is shown, with the members that a client may have left out: its type, its id, and a content
// that is a list. itemID is the id as JSON.
func listed(v []byte, responseID string, n int) (item, itemID []byte) {
	kind := memberOf(v, "type")
	prefix := "item_"
	if len(kind) == 0 || wire.EqualString(kind, "message") {
		kind, prefix = []byte(`"message"`), messageID
	}
	if itemID = memberOf(v, "id"); len(itemID) <= len(`""`) || itemID[0] != '"' {
		itemID = wire.AppendString(nil, prefix+responseID+"_in_"+strconv.Itoa(n))
	}
	out := append([]byte(`{"id":`), itemID...)
	out = append(append(out, `,"type":`...), kind...)
	var sc wire.Scanner
	sc.Reset(v)
	sc.Object()
	for {
		member, ok := sc.Member()
		if !ok {
			return append(out, '}'), itemID
		}
		name := string(member)
		at := sc.Name()
		value := sc.Value().Of(v)
		switch {
		case name == "id" || name == "type":
			continue
		case name == "content" && value[0] == '"':
			part := "input_text"
			if wire.EqualString(memberOf(v, "role"), "assistant") {
				part = "output_text"
			}
			out = append(out, `,"content":[{"type":"`+part+`","text":`...)
			out = append(append(out, value...), `}]`...)
		default:
			out = append(append(append(append(out, ','), at.Of(v)...), ':'), value...)
		}
	}
}

// AppendCount appends the answer to a client that asks how many tokens its request has.
func AppendCount(dst []byte, tokens int64) []byte {
	dst = append(dst, `{"object":"response.input_tokens","input_tokens":`...)
	return append(strconv.AppendInt(dst, tokens, 10), '}')
}

// AppendDeleted appends the answer to a client that has deleted a response.
func AppendDeleted(dst []byte, id string) []byte {
	dst = append(dst, `{"id":`...)
	return append(wire.AppendString(dst, id), `,"object":"response","deleted":true}`...)
}
