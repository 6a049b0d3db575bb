package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// The decoder walks the syntax tree along the types of Config, so that every error is found in one pass and has its
// place. Steps for each value:
//  1. unwrap: aliases to what they stand for, tags off; both bounded, since aliases can multiply a file's size.
//  2. By the Go type: mapping into struct or map, sequence into slice, scalar into the rest.
//  3. Scalars: references are filled in, then the text is parsed by the type and its unit.
//
// A value with an error keeps its default; the walk goes on. Structs are decoded in the order of their fields, not of the
// file: Config.Timeouts is complete before Config.Models takes its defaults from there.

const (
	maxValues = 100_000 // in a file, aliases counted each time they are used
	maxMerges = 16      // depth of << within <<
)

type decoder struct {
	collector
	resolver
	anchors map[string]ast.Node
	where   map[string]Position // key path to its place
	notices []Notice
	fresh   func(any) // sets defaults of a struct that was made for an item of a list or mapping
	values  int
	full    bool // maxValues was reached and reported
}

// value decodes a node into v. f carries the tags of the field that v is or belongs to.
func (d *decoder) value(n ast.Node, v reflect.Value, path string, f *field) {
	n, ok := d.unwrap(n, path)
	if !ok || isNull(n) {
		return // a key without a value keeps its default
	}
	switch t := v.Type(); {
	case isStruct(t):
		d.object(n, v, path)
	case t.Kind() == reflect.Map:
		d.mapping(n, v, path, f)
	case t.Kind() == reflect.Slice && f.tag.Get("keyed") != "":
		d.keyed(n, v, path, f)
	case t.Kind() == reflect.Slice:
		d.list(n, v, path, f)
	default:
		d.scalar(n, v, path, f)
	}
}

// unwrap follows aliases and drops anchors and tags. ok is false if that was an error, which is reported.
func (d *decoder) unwrap(n ast.Node, path string) (ast.Node, bool) {
	d.values++
	if d.values > maxValues {
		if !d.full {
			d.full = true
			d.add(position(n), path, fmt.Sprintf("is one value too many; a file can have %d, aliases counted each time", maxValues))
		}
		return nil, false
	}
	for range maxMerges {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.AliasNode:
			name := x.Value.GetToken().Value
			if d.anchors[name] == nil {
				d.hideScalar(x.Value)
				d.add(position(n), path, "is an alias, and no anchor of that name is in the file")
				return nil, false
			}
			n = d.anchors[name]
		case *ast.TagNode:
			if !strings.HasPrefix(x.Start.Value, "!!") || x.Start.Value == "!!binary" {
				d.add(position(n), path, d.named("tag", path, x.Start.Value)+" has no meaning here")
				return nil, false
			}
			n = x.Value
		default:
			return n, n != nil
		}
	}
	d.add(position(n), path, "is an alias of itself")
	return nil, false
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	at    Position
	value ast.Node
}

// entries lists a mapping's keys in order, merged ones last, and reports duplicates. ok is false if n is no mapping.
func (d *decoder) entries(n ast.Node, path string) ([]entry, bool) {
	var out []entry
	seen := make(map[string]Position)
	ok := d.collect(n, path, &out, seen, 0)
	return out, ok
}

func (d *decoder) collect(n ast.Node, path string, out *[]entry, seen map[string]Position, depth int) bool {
	values, ok := mappingValues(n)
	if !ok {
		d.add(position(n), path, "must be a mapping, not "+kindOf(n))
		return false
	}
	var merges []ast.Node
	for _, mv := range values {
		if _, isMerge := mv.Key.(*ast.MergeKeyNode); isMerge {
			merges = append(merges, mv.Value)
			continue
		}
		key, at := d.key(mv.Key), position(mv.Key)
		if first, dup := seen[key]; dup {
			if depth == 0 { // what a merge brings gives way to what is written out
				d.add(at, join(path, key), fmt.Sprintf("is already set in line %d", first.Line))
			}
			continue
		}
		seen[key] = at
		*out = append(*out, entry{key, at, mv.Value})
	}
	for _, m := range merges {
		d.merge(m, path, out, seen, depth)
	}
	return true
}

// merge adds what << names: one mapping or a list of them.
func (d *decoder) merge(n ast.Node, path string, out *[]entry, seen map[string]Position, depth int) {
	if depth >= maxMerges {
		d.add(position(n), path, "merges mappings too deep; is one merged into itself?")
		return
	}
	m, ok := d.unwrap(n, path)
	if !ok {
		return
	}
	if seq, isSeq := m.(*ast.SequenceNode); isSeq {
		for _, item := range seq.Values {
			if item, ok := d.unwrap(item, path); ok {
				d.collect(item, path, out, seen, depth+1)
			}
		}
		return
	}
	d.collect(m, path, out, seen, depth+1)
}

// key returns a key's text. Numbers and the like are taken as they are written.
func (d *decoder) key(k ast.MapKeyNode) string {
	if mk, ok := k.(*ast.MappingKeyNode); ok && mk.Value != nil {
		return unshield(mk.Value.GetToken().Value)
	}
	return unshield(k.GetToken().Value)
}

// object decodes a mapping into a struct.
func (d *decoder) object(n ast.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	if f, ok := scalarField(fields); ok && isScalar(n) {
		d.where[path] = position(n)
		d.scalar(n, v.FieldByIndex(f.index), path, &f)
		return
	}
	entries, ok := d.entries(n, path)
	if !ok {
		return
	}
	byKey := make(map[string]entry, len(entries))
	for _, e := range entries {
		byKey[e.key] = e
	}
	for _, f := range fields {
		e, ok := byKey[f.key]
		if !ok {
			continue
		}
		delete(byKey, f.key)
		at := join(path, f.key)
		d.place(at, e)
		d.value(e.value, v.FieldByIndex(f.index), at, &f)
	}
	for _, e := range entries {
		if _, left := byKey[e.key]; left && len(d.problems) <= maxProblems {
			d.hide(e.value) // it may be a secret under a name that was mistyped
			key := e.key
			if secretLike(key) {
				key = "…"
			}
			d.add(e.at, join(path, key), "is not a known key"+suggest(e.key, keysOf(fields)))
		}
	}
}

// mapping decodes into a map with string keys.
func (d *decoder) mapping(n ast.Node, v reflect.Value, path string, f *field) {
	entries, ok := d.entries(n, path)
	if !ok {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(entries)))
	for _, e := range entries {
		item := d.item(v.Type().Elem())
		at := join(path, e.key)
		d.place(at, e)
		d.value(e.value, item, at, f)
		v.SetMapIndex(reflect.ValueOf(e.key), item)
	}
}

// keyed decodes a mapping into a slice of structs that carry their key in a field, in the order of the file.
func (d *decoder) keyed(n ast.Node, v reflect.Value, path string, f *field) {
	entries, ok := d.entries(n, path)
	if !ok {
		return
	}
	for _, e := range entries {
		item := d.item(v.Type().Elem())
		item.FieldByName(f.tag.Get("keyed")).SetString(e.key)
		at := join(path, e.key)
		d.place(at, e)
		d.value(e.value, item, at, f)
		v.Set(reflect.Append(v, item))
	}
}

// list decodes a sequence into a slice.
func (d *decoder) list(n ast.Node, v reflect.Value, path string, f *field) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(position(n), path, "must be a list, not "+kindOf(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(seq.Values))
	for i, node := range seq.Values {
		if d.full {
			return
		}
		item := d.item(v.Type().Elem())
		at := fmt.Sprintf("%s[%d]", path, i)
		d.where[at] = position(node)
		d.value(node, item, at, f)
		out = reflect.Append(out, item)
	}
	v.Set(out)
}

// item makes a new value with its defaults.
func (d *decoder) item(t reflect.Type) reflect.Value {
	p := reflect.New(t)
	d.fresh(p.Interface())
	return p.Elem()
}

// place notes where a key path is: at its value if that is a scalar, else at its key.
func (d *decoder) place(path string, e entry) {
	d.where[path] = e.at
	if isScalar(e.value) && !isNull(e.value) {
		d.where[path] = position(e.value)
	}
}

// hide keeps every scalar below a node out of excerpts.
func (d *decoder) hide(n ast.Node) {
	if n == nil {
		return
	}
	ast.Walk(hider{d}, n)
}

type hider struct{ d *decoder }

// Visit hides scalars.
func (h hider) Visit(n ast.Node) ast.Visitor {
	if n != nil && isScalar(n) && !isNull(n) {
		h.d.hideScalar(n)
	}
	return h
}

// hideScalar keeps a scalar out of excerpts: from its first character, to its end or the end of each of its lines.
func (d *decoder) hideScalar(n ast.Node) {
	tk, at := n.GetToken(), position(n)
	if lit, ok := n.(*ast.LiteralNode); ok {
		tk = lit.Value.GetToken()
		for i := range strings.Count(tk.Origin, "\n") + 1 {
			d.hidden = append(d.hidden, span{line: at.Line + 1 + i, from: 1})
		}
		return
	}
	// A token's origin has the white space around it too, and its position in a value of several lines can be that of
	// a later line: so whole lines are hidden then.
	lines := strings.Count(strings.Trim(tk.Origin, "\r\n"), "\n")
	d.hidden = append(d.hidden, span{line: at.Line, from: at.Column, to: endOf(tk, at, lines)})
	for i := 1; i <= lines; i++ {
		d.hidden = append(d.hidden, span{line: at.Line + i, from: 1}, span{line: at.Line - i, from: 1})
	}
}

func endOf(tk *token.Token, at Position, lines int) int {
	if lines > 0 {
		return 0
	}
	return at.Column + len([]rune(strings.TrimSpace(tk.Origin)))
}

// mappingValues returns the pairs of a mapping node.
func mappingValues(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch x := n.(type) {
	case *ast.MappingNode:
		return x.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{x}, true
	}
	return nil, false
}

// position returns where a node begins.
func position(n ast.Node) Position {
	var tk *token.Token
	switch x := n.(type) {
	case nil:
		return Position{1, 1}
	case *ast.MappingNode:
		if !x.IsFlowStyle && len(x.Values) > 0 {
			return position(x.Values[0].Key)
		}
		tk = x.Start
	case *ast.MappingValueNode:
		return position(x.Key)
	case *ast.LiteralNode:
		tk = x.Start
	default:
		tk = n.GetToken()
	}
	if tk == nil || tk.Position == nil {
		return Position{1, 1}
	}
	return Position{max(tk.Position.Line, 1), max(tk.Position.Column, 1)}
}

func isNull(n ast.Node) bool { return n == nil || n.Type() == ast.NullType }

// isScalar reports whether a node is a single value, null included.
func isScalar(n ast.Node) bool {
	_, ok := n.(ast.ScalarNode)
	return ok
}

// kindOf names what a node is, for messages.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}
