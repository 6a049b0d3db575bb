package report

import (
	"io"
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// textCell is one field of a table on the terminal.
type textCell struct {
	text  string
	style string // an SGR sequence's parameters, "" for none
}

// textTable lays out columns of text. Widths are those on the screen, where some characters take two columns and some none.
type textTable struct {
	header []string
	left   int // number of leading columns that are aligned left, and may be cut to fit; the others are numbers
	rows   [][]textCell
}

const (
	columnGap  = 2
	leastWidth = 8 // that a column is cut to
)

func (t *textTable) add(cells ...textCell) { t.rows = append(t.rows, cells) }

// natural are the widths that the columns would like to have.
func (t *textTable) natural() []int {
	ws := make([]int, len(t.header))
	for i, h := range t.header {
		ws[i] = displaywidth.String(h)
	}
	for _, row := range t.rows {
		for i, c := range row {
			ws[i] = max(ws[i], displaywidth.String(c.text))
		}
	}
	return ws
}

// fit cuts the columns that may be cut, the widest first, until they fit into width or cannot be cut further.
func (t *textTable) fit(ws []int, width int) []int {
	for totalWidth(ws) > width {
		widest := -1
		for i, w := range ws[:t.left] {
			if w > leastWidth && (widest < 0 || w > ws[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return ws
		}
		ws[widest]--
	}
	return ws
}

func totalWidth(ws []int) int {
	sum := (len(ws) - 1) * columnGap
	for _, w := range ws {
		sum += w
	}
	return sum
}

// write lays the table out. If it is too wide, its first column becomes lines of their own above the rows that share it.
// Styles are left out unless color is true.
func (t *textTable) write(w io.Writer, width int, color bool) error {
	ws := t.natural()
	if totalWidth(ws) > width && t.left > 1 {
		return t.writeGroups(w, width, color)
	}
	return t.writeRows(w, t.fit(ws, width), "", t.rows, color)
}

const groupIndent = "  "

func (t *textTable) writeGroups(w io.Writer, width int, color bool) error {
	inner := textTable{header: t.header[1:], left: t.left - 1}
	for _, row := range t.rows {
		inner.rows = append(inner.rows, row[1:])
	}
	ws := inner.fit(inner.natural(), width-len(groupIndent))
	if err := inner.writeRows(w, ws, groupIndent, nil, color); err != nil {
		return err
	}
	for i, row := range t.rows {
		if i == 0 || t.rows[i-1][0].text != row[0].text {
			if _, err := io.WriteString(w, cutMiddle(row[0].text, width)+"\n"); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(w, groupIndent+inner.line(row[1:], ws, color)+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// writeRows writes the header and rows.
func (t *textTable) writeRows(w io.Writer, ws []int, indent string, rows [][]textCell, color bool) error {
	head := make([]textCell, len(t.header))
	for i, h := range t.header {
		head[i] = textCell{h, styleDim}
	}
	for _, row := range append([][]textCell{head}, rows...) {
		if _, err := io.WriteString(w, indent+t.line(row, ws, color)+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// line is one row in columns of the widths ws.
func (t *textTable) line(row []textCell, ws []int, color bool) string {
	var b strings.Builder
	for i, c := range row {
		if i > 0 {
			b.WriteString(strings.Repeat(" ", columnGap))
		}
		s := cutMiddle(c.text, ws[i])
		pad := strings.Repeat(" ", max(0, ws[i]-displaywidth.String(s)))
		if i < t.left {
			b.WriteString(styled(s, c.style, color) + pad)
		} else {
			b.WriteString(pad + styled(s, c.style, color))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// Styles, as parameters of SGR sequences.
const (
	styleDim  = "2"
	styleBold = "1"
	styleGood = "32"
	styleWarn = "33"
	styleBad  = "31"
	styleBest = "1;32"
)

func styled(s, style string, color bool) string {
	if !color || style == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

// cutMiddle shortens s to a width on the screen. It keeps both ends: models of one family differ in the last letters.
func cutMiddle(s string, width int) string {
	if displaywidth.String(s) <= width {
		return s
	}
	if width < 3 {
		return displaywidth.TruncateString(s, width, "")
	}
	head := displaywidth.TruncateString(s, (width-1)/2, "")
	room := width - 1 - displaywidth.String(head)
	tail := s
	for displaywidth.String(tail) > room {
		g := displaywidth.StringGraphemes(tail)
		g.Next()
		tail = tail[len(g.Value()):]
	}
	return head + "…" + tail
}

// clean is s without what a terminal would obey: the other side's words are shown, not followed.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, s)
}
