package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"sluice/internal/dialect"
	"sluice/internal/upstream"
)

// DefaultFile is the file that Load reads when it is given no path, if it is there.
const DefaultFile = "sluice.yaml"

const (
	maxFile    = 1 << 20
	maxNesting = 64 // of brackets, or of list markers in one line
)

// Load reads the configuration from a file. With an empty path it reads DefaultFile from the working directory or, where
// there is none, takes the configuration from the environment as FromEnv does. env is asked for environment variables,
// as os.LookupEnv is. An error in the configuration is of type *Error and names every problem at once; nothing is
// returned then. All else that can go wrong is reading the file.
func Load(path string, env func(string) (string, bool)) (*Config, error) {
	if path == "" {
		if _, err := os.Stat(DefaultFile); errors.Is(err, fs.ErrNotExist) {
			return FromEnv(env)
		}
		path = DefaultFile
	}
	src, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, src, env)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(src) > maxFile {
		return nil, fmt.Errorf("%s is larger than %s", path, formatSize(maxFile))
	}
	return src, nil
}

// Parse is Load for a file that has been read. Relative ${file:} references start from the directory of path.
func Parse(path string, src []byte, env func(string) (string, bool)) (*Config, error) {
	return parseDraft(path, src, env, false)
}

// parseDraft is Parse. A draft is a file whose references cannot be looked up yet: what they stand for is not judged, and no provider comes
// from the environment.
func parseDraft(path string, src []byte, env func(string) (string, bool), draft bool) (*Config, error) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	d := &decoder{
		resolver: resolver{env: env, dir: filepath.Dir(path), blind: draft},
		where:    make(map[string]Position),
	}
	d.byRef, d.draft = make(map[string]bool), draft
	root, parsed := d.parse(src)
	c := new(Config)
	c.SetDefaults()
	if parsed {
		d.decode(root, c)
	}
	if err := d.err(path, src, parsed); err != nil {
		return nil, err
	}
	c.source = source{file: path, files: append([]string{path}, d.files...), notices: d.notices}
	return c, nil
}

// parse makes the syntax tree. ok is false if that was not possible; the reason is reported.
func (d *decoder) parse(src []byte) (root ast.Node, ok bool) {
	if at, message := refuse(src); message != "" {
		d.add(at, "", message)
		return nil, false
	}
	file, err := parseYAML(shield(string(src)))
	if err != nil {
		at, message := Position{1, 1}, "is no valid YAML"
		var ye yaml.Error
		if errors.As(err, &ye) {
			// What the parser quotes is of the file, and may be a secret.
			what, _, _ := strings.Cut(ye.GetMessage(), "\"")
			message = joinKey(message, strings.TrimRight(what, " :'`"))
			message = strings.TrimSuffix(message, ": ")
			if tk := ye.GetToken(); tk != nil && tk.Position != nil {
				at = Position{max(tk.Position.Line, 1), max(tk.Position.Column, 1)}
			}
		}
		d.add(at, "", message)
		return nil, false
	}
	for _, doc := range file.Docs {
		switch {
		case isNull(doc.Body), doc.Body.Type() == ast.CommentType:
		case doc.Body.Type() == ast.DirectiveType:
			d.add(position(doc.Body), "", "YAML directives (%) have no meaning here")
		case root != nil:
			d.add(position(doc.Body), "", "a second document begins here; a configuration is one")
		default:
			root = doc.Body
		}
	}
	if root == nil {
		// Not a request for the defaults: a file that an editor has just emptied must not become the configuration.
		d.add(Position{1, 1}, "", "is empty; without a file, providers come from the environment")
	}
	return root, root != nil
}

// parseYAML turns a panic of the parser, which is not ours, into an error: a file must not end the process.
func parseYAML(src string) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("parse YAML: the parser gave up")
		}
	}()
	return parser.ParseBytes([]byte(src), 0, parser.AllowDuplicateMapKey())
}

// refuse finds what is not let through to the YAML parser, which recurses by nesting and has no limit of its own.
func refuse(src []byte) (Position, string) {
	if len(src) > maxFile {
		return Position{1, 1}, "is larger than " + formatSize(maxFile)
	}
	line, column, depth, markers := 1, 0, 0, 0
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		src = src[size:]
		column++
		at := Position{line, column}
		switch {
		case r == utf8.RuneError && size == 1:
			return at, "is not UTF-8"
		case r == 0 || isShield(r):
			return at, fmt.Sprintf("character %U is not allowed", r)
		case r == '\n':
			line, column, markers = line+1, 0, 0
		case r == '[' || r == '{':
			depth++
		case r == ']' || r == '}':
			depth = max(depth-1, 0)
		case r == '-' || r == '?' || r == '!' || r == '&':
			if len(src) == 0 || strings.IndexByte(" \t\n", src[0]) >= 0 || r == '!' || r == '&' {
				markers++
			}
		}
		if depth > maxNesting || markers > maxNesting {
			return at, fmt.Sprintf("nests deeper than %d", maxNesting)
		}
	}
	return Position{}, ""
}

// decode fills c from the tree and checks it.
func (d *decoder) decode(root ast.Node, c *Config) {
	d.anchors = make(map[string]ast.Node)
	ast.Walk(anchorFinder{d.anchors}, root)
	d.fresh = func(v any) {
		if s, ok := v.(interface{ SetDefaults() }); ok {
			s.SetDefaults()
		}
		if m, ok := v.(*Model); ok {
			m.Timeouts, m.Retry, m.Rescue = c.Timeouts, c.Retry, c.Rescue
			if _, err := dialect.ParsePolicy(c.Parameters); err == nil { // once is enough to be told that it is wrong
				m.Parameters = c.Parameters
			}
		}
	}
	d.value(root, reflect.ValueOf(c).Elem(), "", &field{})
	for i := range c.Providers {
		c.Providers[i].API = c.Providers[i].Kind()
	}
	if _, named := d.where["providers"]; !named {
		env := d.env
		if d.draft {
			env = func(string) (string, bool) { return "", false }
		}
		d.notices = append(d.notices, c.addProviders(env)...)
	}
	for _, name := range []string{"SLUICE_LISTEN", "SLUICE_ADMIN_KEY", "SLUICE_DATABASE_URL", "SLUICE_REDIS_URL", "SLUICE_DATA_DIR"} {
		if v, _ := d.env(name); v != "" && !d.used[name] {
			d.notices = append(d.notices, Notice{Key: name, Message: "is set but not used: there is a configuration file, which can refer to it as ${" + name + "}"})
		}
	}
	for i := range c.Providers {
		if p := &c.Providers[i]; p.Keyless() {
			d.notices = append(d.notices, Notice{d.where["providers."+p.Name], "providers." + p.Name, "has no api_key: " + upstream.PresetOf(p.API).Title + " refuses calls without one"})
		}
	}
	d.quotaNotices(c)
	check(c, &d.collector, d.where)
}

type anchorFinder struct{ anchors map[string]ast.Node }

// Visit notes anchors.
func (a anchorFinder) Visit(n ast.Node) ast.Visitor {
	if x, ok := n.(*ast.AnchorNode); ok {
		if _, dup := a.anchors[x.Name.GetToken().Value]; !dup {
			a.anchors[x.Name.GetToken().Value] = x.Value
		}
	}
	return a
}
