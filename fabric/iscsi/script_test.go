package iscsi

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/internal/script"
)

// rig plays an initiator against a login and the text exchanges after it, as told by a
// script; it is also the owner of both.
//
//	owner    sets what the owner answers and wants: tag= alias= begin= admit= tsih=, join (to
//	         the session of the last login), HeaderDigest= DataDigest= (names of policies),
//	         other fields of Offer by name
//	targets  sets what discovery lists; each line is a name and its portals
//	new      begins another connection
//	login    sends a Login Request: T C csg= nsg= isid= tsih= cid= itt= max= min= ahs=;
//	         its lines are the text, one pair each
//	text     sends a Text Request of the open exchange, if there is one: F C new ttt= itt=
//	pdu      sends a PDU with the given op= during login
//	params   shows what was negotiated, as far as it is not the default
//
// The argument raw says that the text is one Go string without quotes, split=N that it is
// sent in pieces of N bytes, repeat=N that there are N copies of its lines with # replaced
// by the number of the copy.
type rig struct {
	terms   loginTerms
	refuse  [2]pdu.LoginStatus // of begin and admit
	tsih    uint16
	targets []discovered
	asked   []string // what the owner was asked, shown with the next response

	login *login
	text  *exchange
	ttt   uint32
}

func newRig() *rig {
	r := &rig{tsih: 1, terms: loginTerms{portalGroupTag: 1}}
	r.login = newLogin(r)
	return r
}

func (r *rig) begin(q *loginRequest) (loginTerms, pdu.LoginStatus) {
	kind := "session with " + q.targetName
	if q.discovery {
		kind = "discovery"
	}
	r.asked = append(r.asked, fmt.Sprintf("begin: %s wants %s, isid=%x tsih=%d cid=%d", q.initiatorName, kind, q.isid, q.tsih, q.cid))
	return r.terms, r.refuse[0]
}

func (r *rig) admit(q *loginRequest, _ *Params) (uint16, pdu.LoginStatus) {
	s := "admit: " + q.initiatorName
	if q.initiatorAlias != "" {
		s += " alias " + q.initiatorAlias
	}
	r.asked = append(r.asked, s)
	return r.tsih, r.refuse[1]
}

func (r *rig) listTargets(name string) []discovered {
	r.asked = append(r.asked, fmt.Sprintf("list: %q", name))
	var found []discovered
	for _, t := range r.targets {
		if name == "" || name == t.name {
			found = append(found, t)
		}
	}
	return found
}

func TestScripts(t *testing.T) {
	for _, dir := range []string{"testdata/login", "testdata/text"} {
		script.RunDir(t, dir, func(*testing.T) script.Func { return newRig().run })
	}
}

func (r *rig) run(c *script.Cmd) string {
	switch c.Name {
	case "owner":
		r.setOwner(c)
	case "targets":
		r.setTargets(c)
	case "new":
		r.login, r.text = newLogin(r), nil
	case "login":
		return r.sendText(c, r.sendLogin)
	case "text":
		return r.sendText(c, r.sendTextRequest)
	case "pdu":
		var h pdu.Header
		h.Init(pdu.Opcode(c.Int("op", 0)))
		return r.step(&h, nil)
	case "params":
		return r.showParams()
	default:
		c.Fatalf("unknown command")
	}
	return ""
}

func (r *rig) setOwner(c *script.Cmd) {
	r.terms.portalGroupTag = uint16(c.Int("tag", int(r.terms.portalGroupTag)))
	r.terms.targetAlias = c.Str("alias", r.terms.targetAlias)
	r.refuse[0] = pdu.LoginStatus(c.Int("begin", int(r.refuse[0])))
	r.refuse[1] = pdu.LoginStatus(c.Int("admit", int(r.refuse[1])))
	r.tsih = uint16(c.Int("tsih", int(r.tsih)))
	if c.Flag("join") {
		p := r.login.neg.params
		r.terms.sessionParams = &p
	}
	o := reflect.ValueOf(&r.terms.offer).Elem()
	for i := range o.NumField() {
		f, name := o.Field(i), o.Type().Field(i).Name
		switch {
		case !c.Has(name) && !c.Flag(name):
		case f.Type() == reflect.TypeFor[DigestPolicy]():
			for p := DigestAllowed; p <= DigestOff; p++ {
				if p.String() == c.Str(name, "") {
					f.SetUint(uint64(p))
				}
			}
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		default:
			f.SetInt(int64(c.Int(name, 0)))
		}
	}
}

func (r *rig) setTargets(c *script.Cmd) {
	r.targets = nil
	for i := range c.Int("repeat", 1) {
		for line := range strings.Lines(c.Input) {
			w := strings.Fields(strings.ReplaceAll(line, "#", strconv.Itoa(i)))
			t := discovered{name: w[0]}
			for _, p := range w[1:] {
				t.portals = append(t.portals, portalAddr{host: p, port: 3260, tag: 1})
			}
			r.targets = append(r.targets, t)
		}
	}
}

// sendText sends the text of c in as many requests as it asks for.
func (r *rig) sendText(c *script.Cmd, send func(c *script.Cmd, data []byte, last bool) string) string {
	var data []byte
	for i := range c.Int("repeat", 1) {
		in := c.Input
		if c.Has("repeat") {
			in = strings.ReplaceAll(in, "#", strconv.Itoa(i))
		}
		if !c.Flag("raw") {
			data = append(data, strings.ReplaceAll(in, "\n", "\x00")...)
			continue
		}
		s, err := strconv.Unquote(`"` + strings.TrimSuffix(in, "\n") + `"`)
		if err != nil {
			c.Fatalf("raw text: %v", err)
		}
		data = append(data, s...)
	}
	size := c.Int("split", max(len(data), 1))
	var out strings.Builder
	for prev, same := "", 0; ; {
		n := min(size, len(data))
		now := send(c, data[:n], n == len(data))
		data = data[n:]
		end := len(data) == 0 || r.login.ended && (r.text == nil || !r.text.open)
		if now == prev && !end {
			same++
			continue
		}
		if same > 0 {
			fmt.Fprintf(&out, "(%d more like this)\n", same)
		}
		out.WriteString(now)
		if end {
			return out.String()
		}
		prev, same = now, 0
	}
}

func (r *rig) sendLogin(c *script.Cmd, data []byte, last bool) string {
	var h pdu.Header
	q := h.InitLoginRequest()
	q.SetStages(pdu.Stage(c.Int("csg", 0)), pdu.Stage(c.Int("nsg", 0)), c.Flag("T") && last)
	q.SetContinue(c.Flag("C") || !last)
	q.SetVersions(uint8(c.Int("max", 0)), uint8(c.Int("min", 0)))
	isid, err := hex.DecodeString(c.Str("isid", "00023d000001"))
	if err != nil || len(isid) != 6 {
		c.Fatalf("isid is not six bytes in hexadecimal")
	}
	q.SetISID(pdu.ISID(isid))
	q.SetTSIH(uint16(c.Int("tsih", 0)))
	q.SetCID(uint16(c.Int("cid", 0)))
	q.SetITT(uint32(c.Int("itt", 0)))
	q.SetAHSLen(c.Int("ahs", 0))
	q.SetDataLen(len(data))
	return r.step(&h, data)
}

// step hands a PDU to the login and shows the answer.
func (r *rig) step(h *pdu.Header, data []byte) string {
	var rh pdu.Header
	out, action := r.login.step(h, data, &rh)
	var s strings.Builder
	r.showAsked(&s)
	switch action {
	case loginDrop:
		fmt.Fprintf(&s, "drop: %v\n", r.login.cause())
		return s.String()
	case loginFail:
		s.WriteString("fail")
	case loginDone:
		s.WriteString("done")
		r.text = newExchange(r.login, r)
	case loginReply:
		s.WriteString("reply")
	}
	resp := rh.LoginResponse()
	if resp.Transit() {
		fmt.Fprintf(&s, " T %v->%v", resp.CSG(), resp.NSG())
	} else {
		fmt.Fprintf(&s, " %v", resp.CSG())
	}
	if resp.Continue() {
		s.WriteString(" C")
	}
	if v := resp.TSIH(); v != 0 {
		fmt.Fprintf(&s, " tsih=%d", v)
	}
	if v := resp.ITT(); v != 0 {
		fmt.Fprintf(&s, " itt=%d", v)
	}
	if resp.Opcode() != pdu.OpLoginResponse || resp.ISID() != r.login.req.isid {
		fmt.Fprintf(&s, " isid=%x", resp.ISID())
	}
	if st := resp.Status(); st != pdu.LoginSuccess {
		fmt.Fprintf(&s, " %04x %v: %v", uint16(st), st, r.login.cause())
	}
	s.WriteString("\n")
	showText(&s, out)
	return s.String()
}

func (r *rig) sendTextRequest(c *script.Cmd, data []byte, last bool) string {
	if r.text == nil {
		c.Fatalf("the login is not complete")
	}
	var h, rh pdu.Header
	q := h.InitTextRequest()
	q.SetFinal(c.Flag("F") && last)
	q.SetContinue(c.Flag("C") || !last)
	q.SetITT(uint32(c.Int("itt", 0)))
	if c.Has("ttt") {
		q.SetTTT(uint32(c.Int("ttt", 0)))
	} else if !c.Flag("new") && r.ttt != 0 {
		q.SetTTT(r.ttt) // goes on with the exchange
	}
	out, reject := r.text.step(&h, data, &rh)
	var s strings.Builder
	r.showAsked(&s)
	resp := rh.TextResponse()
	r.ttt = 0
	if reject != pdu.RejectNone {
		fmt.Fprintf(&s, "reject: %v\n", reject)
		return s.String()
	}
	s.WriteString("text")
	if resp.Final() {
		s.WriteString(" F")
	}
	if resp.Continue() {
		s.WriteString(" C")
	}
	if resp.TTT() != pdu.ReservedTag {
		r.ttt = resp.TTT()
		fmt.Fprintf(&s, " ttt=%d", r.ttt)
	}
	fmt.Fprintf(&s, " %d bytes\n", len(out))
	showText(&s, out)
	return s.String()
}

func (r *rig) showAsked(s *strings.Builder) {
	for _, a := range r.asked {
		s.WriteString(a + "\n")
	}
	r.asked = nil
}

// showText shows a text with one pair a line; of many it shows the first and last.
func showText(s *strings.Builder, text []byte) {
	lines := bytes.SplitAfter(text, []byte{0})
	for i, l := range lines {
		switch {
		case len(l) == 0:
		case len(lines) > 25 && i >= 3 && i < len(lines)-4:
			if i == 3 {
				fmt.Fprintf(s, "  … %d more\n", len(lines)-7)
			}
		case l[len(l)-1] == 0:
			fmt.Fprintf(s, "  %s\n", l[:len(l)-1])
		default:
			fmt.Fprintf(s, "  %s (no end)\n", l)
		}
	}
}

func (r *rig) showParams() string {
	p := r.login.neg.params
	if r.text != nil {
		p = *r.text.params()
	}
	var s strings.Builder
	got, def := reflect.ValueOf(p), reflect.ValueOf(defaultParams())
	for i := range got.NumField() {
		if v := got.Field(i).Interface(); v != def.Field(i).Interface() {
			fmt.Fprintf(&s, "%s %v\n", got.Type().Field(i).Name, v)
		}
	}
	return s.String()
}
