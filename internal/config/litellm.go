package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// Import is what became of a configuration of another program.
type Import struct {
	File      []byte    // the configuration, which Load accepts once the environment variables in it are set
	Findings  []Finding // in the order of the source
	Providers int
	Models    int
}

// Finding is one setting of the source that is not, or not exactly, in the result. No part of it shows a secret.
type Finding struct {
	Position
	Key     string // key path in the source; empty for the file as a whole
	Outcome Outcome
	Message string
}

// Outcome says what became of a setting.
type Outcome uint8

// The outcomes of settings that are not simply taken over.
const (
	Changed  Outcome = iota + 1 // it is in the result, but means something a little different there
	NotTaken                    // it is not in the result
	Caution                     // it is in the result, and deserves a look
)

// String returns the outcome in the words of the report.
func (o Outcome) String() string {
	switch o {
	case Changed:
		return "changed"
	case NotTaken:
		return "not taken over"
	default:
		return "caution"
	}
}

// Report writes a finding as a line that begins with its place in the file.
func (f Finding) Report(file string) string {
	return place(file, f.Position) + joinKey(f.Key, f.Outcome.String()+": "+f.Message)
}

// Count returns how many findings have an outcome.
func (i *Import) Count(o Outcome) int {
	n := 0
	for _, f := range i.Findings {
		if f.Outcome == o {
			n++
		}
	}
	return n
}

// ImportLiteLLM makes a configuration from that of a LiteLLM proxy. path is what comments and errors call the source. Every
// setting of the source that has no exact equivalent is a finding. The error is an *Error if the source is no YAML.
//
// Steps:
//  1. Read the source into a tree in which aliases and merges are resolved; each step takes what it knows from the tree.
//  2. model_list: deployments, and the accounts behind them.
//  3. The other sections.
//  4. What is left in the tree becomes findings.
//  5. Write the result, and read it again: what Load would refuse is never returned.
func ImportLiteLLM(path string, src []byte) (*Import, error) {
	d := &decoder{where: make(map[string]Position), anchors: make(map[string]ast.Node)}
	root, ok := d.parse(src)
	if !ok {
		return nil, d.err(path, src, false)
	}
	ast.Walk(anchorFinder{d.anchors}, root)
	im := &importer{decoder: d, byGroup: make(map[string]*group), byID: make(map[string]*deployment), found: make(map[Finding]bool)}
	tree := im.read(root, "")
	if tree == nil || tree.kind != mappingNode {
		d.add(position(root), "", "must be a mapping with model_list; this is no configuration of a LiteLLM proxy")
		return nil, d.err(path, src, true)
	}
	im.models(tree)
	im.settings(tree)
	im.leftover(tree, rootReasons())
	for _, p := range d.problems { // of the tree: duplicate keys, aliases of nothing
		im.find(p.Position, p.Key, NotTaken, p.Message)
	}
	out := im.write(filepath.Base(path))
	if len(out) > maxFile {
		return nil, fmt.Errorf("import %s: the result would be larger than %s", path, formatSize(maxFile))
	}
	if _, err := parseDraft("result", out, anyVariable, true); err != nil {
		return nil, fmt.Errorf("import %s: the result would not be valid, which is an error in Sluice: %w", path, err)
	}
	slices.SortStableFunc(im.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Import{File: out, Findings: im.findings, Providers: len(im.accounts), Models: im.written}, nil
}

// anyVariable stands for an environment in which all is set, to what is valid as a URL and as a key.
func anyVariable(string) (string, bool) { return "https://set.example/0123456789", true }

// importer holds the state of one import.
type importer struct {
	*decoder
	findings    []Finding
	found       map[Finding]bool // so that each is there once: credentials and deployments serve several
	accounts    []*account
	deployments []*deployment
	groups      []*group // by model_name, in the order of the source
	byGroup     map[string]*group
	byID        map[string]*deployment // by model_info.id
	credentials map[string]*sourceNode

	depth                       int    // of read
	listen, adminKey, clientKey string // as they are written
	logLevel, logFormat         string
	parameters                  string // the setting of that name
	attempts                    int    // 0: not set
	timeout, streamTimeout      seconds
	maxParallel                 int // of each deployment that sets none
	fallbacks                   map[string][]string
	defaultFallbacks            []string
	aliases                     []aliasOf
	written                     int // models in the result
}

type aliasOf struct{ name, group string }

// find adds a finding.
func (im *importer) find(at Position, key string, o Outcome, message string) {
	f := Finding{at, shownKey(key), o, message}
	if len(im.findings) < maxProblems && !im.found[f] {
		im.found[f] = true
		im.findings = append(im.findings, f)
		if len(im.findings) == maxProblems {
			im.findings = append(im.findings, Finding{at, "", NotTaken, fmt.Sprintf("there are more than %d findings; only so many are named", maxProblems)})
		}
	}
}

// at adds a finding at a node.
func (im *importer) at(n *sourceNode, o Outcome, message string) { im.find(n.pos, n.path, o, message) }

// shownKey makes a key path fit to be shown: without what may be a credential, or does something to a terminal.
func shownKey(key string) string {
	parts := strings.Split(shortKey(key), ".")
	for i, p := range parts {
		if secretLike(p) {
			parts[i] = "…"
		}
	}
	return strings.Map(func(r rune) rune { // it goes to a terminal
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(parts, "."))
}

// sourceNode is a value of the source, with aliases and merges resolved.
type sourceNode struct {
	pos     Position
	path    string
	kind    treeKind
	text    string        // of a scalar
	items   []*sourceNode // of a list; nil for null
	members []*member
}

type treeKind uint8

const (
	scalarNode treeKind = iota
	listNode
	mappingNode
)

type member struct {
	key   string
	pos   Position
	value *sourceNode // nil for null
	taken bool
}

// read reads a node. It returns nil for null and for what cannot be read, which the decoder reports.
func (im *importer) read(n ast.Node, path string) *sourceNode {
	n, ok := im.unwrap(n, path)
	if !ok || isNull(n) {
		return nil
	}
	if im.depth++; im.depth > maxNesting {
		im.depth--
		im.at(&sourceNode{pos: position(n), path: path}, NotTaken, "nests too deep; is it an alias of something around it?")
		return nil
	}
	defer func() { im.depth-- }()
	t := &sourceNode{pos: position(n), path: path}
	switch x := n.(type) {
	case *ast.SequenceNode:
		t.kind = listNode
		for i, item := range x.Values {
			if im.full {
				break
			}
			t.items = append(t.items, im.read(item, fmt.Sprintf("%s[%d]", path, i)))
		}
	case *ast.MappingNode, *ast.MappingValueNode:
		t.kind = mappingNode
		entries, _ := im.entries(n, path)
		for _, e := range entries {
			t.members = append(t.members, &member{key: e.key, pos: e.at, value: im.read(e.value, join(path, e.key))})
		}
	default:
		t.text, _ = scalarText(n)
	}
	return t
}

// take returns the value of a key and marks it as dealt with. It is nil if there is none, or null.
func (t *sourceNode) take(key string) *sourceNode {
	if t == nil {
		return nil
	}
	for _, m := range t.members {
		if m.key == key {
			m.taken = true
			return m.value
		}
	}
	return nil
}

// all marks everything in a mapping as dealt with.
func (t *sourceNode) all() {
	if t != nil {
		for _, m := range t.members {
			m.taken = true
		}
	}
}

// leftover reports the members of a mapping that nothing has taken. reasons says why for those that are known.
func (im *importer) leftover(t *sourceNode, reasons map[string]string) {
	if t == nil {
		return
	}
	for _, m := range t.members {
		if m.taken || m.value == nil {
			continue
		}
		m.taken = true
		why, known := reasons[m.key]
		off := m.value.kind == scalarNode && strings.EqualFold(m.value.text, "false")
		switch {
		case known && off:
			continue // switched off there, absent here
		case !known:
			why = "is not a setting that this import knows"
		}
		im.find(m.pos, join(t.path, m.key), NotTaken, why)
	}
}

// section takes a key that must hold a mapping.
func (im *importer) section(t *sourceNode, key string) *sourceNode {
	return im.shaped(t.take(key), mappingNode, "a mapping")
}

// list takes a key that must hold a list.
func (im *importer) list(t *sourceNode, key string) []*sourceNode {
	if l := im.shaped(t.take(key), listNode, "a list"); l != nil {
		return slices.DeleteFunc(l.items, func(x *sourceNode) bool { return x == nil })
	}
	return nil
}

func (im *importer) shaped(t *sourceNode, kind treeKind, name string) *sourceNode {
	if t != nil && t.kind != kind {
		im.at(t, NotTaken, "is not "+name)
		return nil
	}
	return t
}

// unfit is said of texts that cannot stand in a configuration.
const unfit = "has characters that a configuration cannot have"
