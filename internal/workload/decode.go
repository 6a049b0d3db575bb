package workload

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"sluice/internal/model"
)

// Limits on workload files.
const (
	maxFile    = 1 << 20
	maxNesting = 32
)

// place is where something is in a file, from 1.
type place struct{ line, column int }

// decoder walks the syntax tree of a file, so that every error is found in one pass and has its place.
type decoder struct {
	problems
	where map[string]place // of each key path that the file has
}

// parseTree makes the syntax tree of the one document of a file; nil if that is not possible, which is reported.
func (d *decoder) parseTree(src []byte) ast.Node {
	if message := refuse(src); message != "" {
		d.add(place{1, 1}, "", "%s", message)
		return nil
	}
	file, err := parseYAML(src)
	if err != nil {
		at, message := place{1, 1}, "is no valid YAML"
		var bad yaml.Error
		if errors.As(err, &bad) {
			message += ": " + bad.GetMessage()
			at = tokenPlace(bad.GetToken())
		}
		d.add(at, "", "%s", message)
		return nil
	}
	var root ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType:
		case root != nil:
			d.add(placeOf(doc.Body), "", "a second document begins here; a workload file is one")
			return nil
		default:
			root = doc.Body
		}
	}
	if root == nil {
		d.add(place{1, 1}, "", "is empty; a workload file has the key benchmark_workload")
	}
	return root
}

// refuse finds what is not let through to the YAML parser, which recurses by nesting and has no limit of its own.
func refuse(src []byte) string {
	if len(src) > maxFile {
		return fmt.Sprintf("is larger than %d KiB", maxFile>>10)
	}
	if !utf8.Valid(src) || strings.ContainsRune(string(src), 0) {
		return "is not UTF-8 text"
	}
	depth, markers := 0, 0
	for _, c := range src {
		switch c {
		case '\n':
			markers = 0
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '-', '?', '!', '&':
			markers++
		}
		if depth > maxNesting || markers > 8*maxNesting {
			return fmt.Sprintf("nests deeper than %d", maxNesting)
		}
	}
	return ""
}

// parseYAML turns a panic of the parser, which is not ours, into an error: a file must not end the process.
func parseYAML(src []byte) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the parser gave up")
		}
	}()
	return parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
}

// field is one key that a mapping may have, and what reads its value.
type field struct {
	key  string
	read func(n ast.Node, path string)
}

// object reads a mapping. Unknown keys and duplicates are reported. A key without a value is as if it were not there.
func (d *decoder) object(n ast.Node, path string, fields ...field) {
	d.entries(n, path, func(key string, at place, value ast.Node) {
		for _, f := range fields {
			if f.key == key {
				f.read(value, join(path, key))
				return
			}
		}
		d.add(at, join(path, key), "is not a known key%s", suggest(key, fields))
	})
}

// entries calls f for each key of a mapping that has a value, once.
func (d *decoder) entries(n ast.Node, path string, f func(key string, at place, value ast.Node)) {
	var values []*ast.MappingValueNode
	switch x := n.(type) {
	case *ast.MappingNode:
		values = x.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{x}
	default:
		d.add(placeOf(n), path, "must be a mapping, not %s", kindOf(n))
		return
	}
	seen := make(map[string]place)
	for _, v := range values {
		at := placeOf(v.Key)
		key := v.Key.GetToken().Value
		if first, dup := seen[key]; dup {
			d.add(at, join(path, key), "is already set in line %d", first.line)
			continue
		}
		seen[key] = at
		if v.Value == nil || v.Value.Type() == ast.NullType {
			continue
		}
		d.where[join(path, key)] = at
		f(key, at, v.Value)
	}
}

// list calls f for each item of a list, at most so many.
func (d *decoder) list(n ast.Node, path string, most int, f func(n ast.Node, path string)) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(placeOf(n), path, "must be a list, not %s", kindOf(n))
		return
	}
	if len(seq.Values) > most {
		d.add(placeOf(n), path, "has %d items; %d are the most", len(seq.Values), most)
		return
	}
	for i, item := range seq.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.where[at] = placeOf(item)
		f(item, at)
	}
}

// suggest ends a message about an unknown key: with the nearest of the known ones, else with all of them.
func suggest(key string, fields []field) string {
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	if near := model.Nearest(key, known, 1); len(near) > 0 {
		return fmt.Sprintf("; did you mean %q?", near[0])
	}
	return "; known here: " + strings.Join(known, ", ")
}

// scalar returns the text of a single value. ok is false if it is none, which is reported.
func (d *decoder) scalar(n ast.Node, path string) (text string, ok bool) {
	switch x := n.(type) {
	case *ast.LiteralNode:
		return x.Value.Value, true
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
	case ast.ScalarNode:
		return x.GetToken().Value, true
	}
	d.add(placeOf(n), path, "must be a single value, not %s", kindOf(n))
	return "", false
}

// number is the form of all numbers: decimal, with single underscores between digits.
var number = regexp.MustCompile(`^-?[0-9]+(_[0-9]+)*(\.[0-9]+)?$`)

// maxText bounds names and the like.
const maxText = 4096

func (d *decoder) text(dst *string) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		text, ok := d.scalar(n, path)
		if len(text) > maxText {
			d.add(placeOf(n), path, "is longer than %d bytes", maxText)
		} else if ok {
			*dst = strings.TrimSpace(text)
		}
	}
}

// oneOf reads one of some words.
func (d *decoder) oneOf(dst *string, words ...string) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		text, ok := d.scalar(n, path)
		if !ok {
			return
		}
		for _, w := range words {
			if w == text {
				*dst = w
				return
			}
		}
		d.add(placeOf(n), path, "must be one of %s, not %s", strings.Join(words, ", "), quote(text))
	}
}

// value reads a number between two bounds, both included.
func (d *decoder) value(n ast.Node, path string, low, high float64) (float64, bool) {
	text, ok := d.scalar(n, path)
	if !ok {
		return 0, false
	}
	x, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil || !number.MatchString(text) {
		d.add(placeOf(n), path, "must be a number such as 80 or 0.5, not %s", quote(text))
		return 0, false
	}
	if x < low || x > high {
		d.add(placeOf(n), path, "is %s; it must be between %s and %s", text, plainNumber(low), plainNumber(high))
		return 0, false
	}
	return x, true
}

func (d *decoder) float(dst *float64, low, high float64) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		if x, ok := d.value(n, path, low, high); ok {
			*dst = x
		}
	}
}

// whole reads a whole number.
func whole[T int | int32 | uint64](d *decoder, dst *T, low, high float64) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		x, ok := d.value(n, path, low, high)
		if ok && x != math.Trunc(x) {
			d.add(placeOf(n), path, "must be a whole number, not %s", plainNumber(x))
		} else if ok {
			*dst = T(x)
		}
	}
}

// share reads a share from 0 to 1, also in per cent.
func (d *decoder) share(dst *float64) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		text, ok := d.scalar(n, path)
		if !ok {
			return
		}
		digits, percent := strings.CutSuffix(text, "%")
		x, err := strconv.ParseFloat(digits, 64)
		if percent {
			x /= 100
		}
		if err != nil || !number.MatchString(digits) || x < 0 || x > 1 {
			d.add(placeOf(n), path, "must be a share between 0 and 1 such as 20%% or 0.2, not %s", quote(text))
			return
		}
		*dst = x
	}
}

// longest is the longest duration: no phase of a run needs more.
const longest = 31 * 24 * time.Hour

func (d *decoder) duration(dst *time.Duration) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		text, ok := d.scalar(n, path)
		if !ok {
			return
		}
		x, err := time.ParseDuration(text)
		switch {
		case err != nil && number.MatchString(text):
			d.add(placeOf(n), path, "needs a unit, such as %ss or %sms", text, text)
		case err != nil:
			d.add(placeOf(n), path, "must be a duration such as 250ms, 5s or 10m, not %s", quote(text))
		case x < 0 || x > longest:
			d.add(placeOf(n), path, "is %s; it must be between 0s and %v", text, longest)
		default:
			*dst = x
		}
	}
}

// scaled reads a number of some unit of time.
func (d *decoder) scaled(dst *time.Duration, unit time.Duration) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		if x, ok := d.value(n, path, 0, float64(longest/unit)); ok {
			*dst = time.Duration(x * float64(unit))
		}
	}
}

func (d *decoder) boolean(dst *bool) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		text, ok := d.scalar(n, path)
		switch {
		case !ok:
		case text == "true" || text == "false":
			*dst = text == "true"
		default:
			d.add(placeOf(n), path, "must be true or false, not %s", quote(text))
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// quote quotes a value for a message, cut if it is long.
func quote(text string) string {
	if r := []rune(text); len(r) > 40 {
		text = string(r[:40]) + "…"
	}
	return strconv.Quote(text)
}

func plainNumber(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// placeOf returns where a node begins.
func placeOf(n ast.Node) place {
	switch x := n.(type) {
	case nil:
		return place{1, 1}
	case *ast.MappingNode:
		if !x.IsFlowStyle && len(x.Values) > 0 {
			return placeOf(x.Values[0].Key)
		}
		return tokenPlace(x.Start)
	case *ast.MappingValueNode:
		return placeOf(x.Key)
	case *ast.LiteralNode:
		return tokenPlace(x.Start)
	}
	return tokenPlace(n.GetToken())
}

func tokenPlace(tk *token.Token) place {
	if tk == nil || tk.Position == nil {
		return place{1, 1}
	}
	return place{max(tk.Position.Line, 1), max(tk.Position.Column, 1)}
}

// kindOf names what a node is, for messages.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AliasNode, *ast.AnchorNode:
		return "an alias or anchor, which workload files do not have"
	case *ast.TagNode:
		return "a tag, which workload files do not have"
	}
	return "a single value"
}
