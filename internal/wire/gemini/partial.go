package gemini

import (
	"encoding/json"
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Vertex AI can stream the arguments of a call in pieces (streamFunctionCallArguments), of which each says by a JSON path
// where it belongs; a text may come in several. The pieces are put together here, and the call comes out whole: what other
// dialects stream are the characters of the arguments in their order, which the pieces do not tell.

// maxValues bounds how many values arguments that come in pieces may have; further ones are left out.
const maxValues = 10_000

// piece is one of partialArgs.
type piece struct {
	JSONPath    string   `json:"jsonPath"`
	StringValue *string  `json:"stringValue"`
	NumberValue *rawJSON `json:"numberValue"`
	BoolValue   *bool    `json:"boolValue"`
}

// rawJSON is a number as it is written.
type rawJSON = json.RawMessage

func readPieces(b []byte) []piece {
	var all []piece
	if json.Unmarshal(b, &all) != nil {
		return nil
	}
	return all
}

// partial is a call under way.
type partial struct {
	id, name, signature string
	root                node
	values              int // nodes made
}

// node is a value of the arguments under way.
type node struct {
	name  string // in an object
	kind  nodeKind
	text  string
	nodes []*node
}

type nodeKind uint8

const (
	nodeNull nodeKind = iota
	nodeText
	nodeLiteral
	nodeObject
	nodeArray
)

// piece takes what a chunk brings of a call in pieces.
func (r *reader) piece(dst []llm.Event, st *reading, c *rawCall, signature string) []llm.Event {
	if st.partial != nil && c.name != "" && st.partial.name != "" {
		dst = r.endPartial(dst, st) // another call begins; the last one was never said to end
	}
	if st.partial == nil {
		dst = st.close(dst)
		st.partial = &partial{root: node{kind: nodeObject}}
	}
	p := st.partial
	if c.name != "" {
		p.name = c.name
	}
	if c.id != "" {
		p.id = c.id
	}
	if signature != "" {
		p.signature = signature
	}
	for i := range c.pieces {
		p.add(&c.pieces[i])
	}
	if !c.more {
		dst = r.endPartial(dst, st)
	}
	return dst
}

// endPartial gives the call out.
func (r *reader) endPartial(dst []llm.Event, st *reading) []llm.Event {
	p := st.partial
	st.partial = nil
	start := len(r.buf)
	r.buf = p.root.append(r.buf)
	return r.whole(dst, st, p.id, p.name, r.buf[start:], p.signature)
}

// add puts a piece where it belongs. A path that cannot be followed is left out.
func (p *partial) add(one *piece) {
	n := &p.root
	path, ok := strings.CutPrefix(one.JSONPath, "$")
	for depth := 0; ok && path != ""; depth++ {
		var key string
		var isIndex bool
		if key, isIndex, path, ok = step(path); ok {
			n, ok = p.child(n, key, isIndex)
		}
		ok = ok && depth < wire.MaxDepth
	}
	if !ok || n == &p.root {
		return
	}
	switch {
	case one.StringValue != nil:
		if n.kind != nodeText {
			n.text = ""
		}
		n.kind = nodeText
		n.text += *one.StringValue
	case one.NumberValue != nil:
		n.kind, n.text = nodeLiteral, string(*one.NumberValue)
	case one.BoolValue != nil:
		n.kind, n.text = nodeLiteral, strconv.FormatBool(*one.BoolValue)
	}
}

// step cuts the first step off a JSON path: .name, ['name'] or [0].
func step(path string) (key string, isIndex bool, rest string, ok bool) {
	if name, found := strings.CutPrefix(path, "."); found {
		end := strings.IndexAny(name, ".[")
		if end < 0 {
			end = len(name)
		}
		return name[:end], false, name[end:], end > 0
	}
	for _, quote := range []string{"'", `"`} {
		if name, found := strings.CutPrefix(path, "["+quote); found {
			name, rest, ok = strings.Cut(name, quote+"]")
			return name, false, rest, ok
		}
	}
	if name, found := strings.CutPrefix(path, "["); found {
		name, rest, ok = strings.Cut(name, "]")
		return name, true, rest, ok
	}
	return "", false, "", false
}

// child returns the member or element of n, made if it is not there.
func (p *partial) child(n *node, key string, isIndex bool) (*node, bool) {
	want, i := nodeObject, -1
	if isIndex {
		want = nodeArray
		var err error
		if i, err = strconv.Atoi(key); err != nil || i < 0 || i-len(n.nodes) >= maxValues-p.values {
			return nil, false
		}
		key = ""
	}
	if n.kind != want && n.kind != nodeNull {
		return nil, false
	}
	n.kind = want
	for at, c := range n.nodes {
		if at == i || i < 0 && c.name == key {
			return c, true
		}
	}
	for {
		if p.values++; p.values > maxValues {
			return nil, false
		}
		c := &node{name: key}
		n.nodes = append(n.nodes, c)
		if len(n.nodes) > i {
			return c, true
		}
	}
}

// append appends n as JSON.
func (n *node) append(dst []byte) []byte {
	switch n.kind {
	case nodeText:
		return wire.AppendString(dst, n.text)
	case nodeLiteral:
		return append(dst, n.text...)
	case nodeObject, nodeArray:
		open, end := byte('['), byte(']')
		if n.kind == nodeObject {
			open, end = '{', '}'
		}
		dst = append(dst, open)
		for i, c := range n.nodes {
			if i > 0 {
				dst = append(dst, ',')
			}
			if n.kind == nodeObject {
				dst = append(wire.AppendString(dst, c.name), ':')
			}
			dst = c.append(dst)
		}
		return append(dst, end)
	}
	return append(dst, "null"...)
}
