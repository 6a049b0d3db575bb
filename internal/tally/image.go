package tally

import (
	"encoding/base64"
	"encoding/json"
	"image"
	_ "image/gif"  // for their sizes
	_ "image/jpeg" //
	_ "image/png"  //
	"io"
	"math"
	"strings"
)

// Image is an image in a prompt.
type Image struct {
	Width, Height int    // 0 if not known: the image is elsewhere, or of a format that is not read
	Detail        string // "low" is OpenAI's word for a small fixed price
}

// assumed is the side of an image whose size is not known.
const assumed = 1024

// readImageURL reads what stands for an image in a chat: an object with a URL, or the URL itself.
func readImageURL(raw json.RawMessage, detail string) *Image {
	var url string
	if json.Unmarshal(raw, &url) != nil {
		var object struct{ URL, Detail string }
		if json.Unmarshal(raw, &object) == nil {
			url = object.URL
			if object.Detail != "" {
				detail = object.Detail
			}
		}
	}
	data := ""
	if head, rest, ok := strings.Cut(url, ","); ok && strings.HasPrefix(head, "data:") && strings.HasSuffix(head, ";base64") {
		data = rest
	}
	return readImage(data, detail)
}

// maxHeader is how much of an image is looked at for its size.
const maxHeader = 1 << 20

// readImage reads the size of an image in base64. Only its head is decoded.
func readImage(data, detail string) *Image {
	i := &Image{Detail: detail}
	r := io.LimitReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(data)), maxHeader)
	if c, _, err := image.DecodeConfig(r); err == nil && c.Width > 0 && c.Height > 0 {
		i.Width, i.Height = c.Width, c.Height
	}
	return i
}

// tokens estimates what an image counts for with a model, by the formulas that providers publish (seen 2026-11): OpenAI's tiles of
// 512 pixels, or patches of 32 for its later small models; Anthropic's pixels / 750; Google's tiles of 768. For others it is
// OpenAI's tiles.
func (i *Image) tokens(model string) int64 {
	w, h := float64(i.Width), float64(i.Height)
	if i.Width <= 0 || i.Height <= 0 {
		w, h = assumed, assumed
	}
	name := strings.ToLower(model[strings.LastIndexByte(model, '/')+1:])
	switch {
	case strings.Contains(name, "claude"):
		w, h = fit(w, h, 1568)
		return int64(math.Ceil(w * h / 750))
	case strings.Contains(name, "gemini"):
		if w <= 384 && h <= 384 {
			return 258
		}
		return 258 * tiles(w, h, 768)
	}
	for _, m := range patchModels {
		if strings.HasPrefix(name, m.prefix) {
			return int64(math.Ceil(min(float64(tiles(w, h, 32)), 1536) * m.factor))
		}
	}
	base, each := int64(85), int64(170)
	switch {
	case strings.HasPrefix(name, "gpt-4o-mini"):
		base, each = 2833, 5667
	case strings.HasPrefix(name, "gpt-5"):
		base, each = 70, 140
	case strings.HasPrefix(name, "o1"), strings.HasPrefix(name, "o3"):
		base, each = 75, 150
	}
	if i.Detail == "low" {
		return base
	}
	w, h = fit(w, h, 2048)
	if short := min(w, h); short > 768 {
		w, h = w*768/short, h*768/short
	}
	return base + each*tiles(w, h, 512)
}

// patchModels are OpenAI's models that count patches, with the tokens of one. The first that fits counts.
var patchModels = [...]struct {
	prefix string
	factor float64
}{
	{"gpt-4.1-mini", 1.62},
	{"gpt-4.1-nano", 2.46},
	{"gpt-5-mini", 1.62},
	{"gpt-5-nano", 2.46},
	{"o4-mini", 1.72},
}

// fit scales a size down to a longest side.
func fit(w, h, longest float64) (float64, float64) {
	if side := max(w, h); side > longest {
		return w * longest / side, h * longest / side
	}
	return w, h
}

func tiles(w, h, side float64) int64 { return int64(math.Ceil(w/side) * math.Ceil(h/side)) }
