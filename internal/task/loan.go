package task

import "github.com/goscst/goscst/sgv"

// Loan tells whose memory Data is. It changes with Data only: see State.Put and TakeBack.
type Loan uint8

// The kinds of loan.
const (
	Own    Loan = iota // a buffer, which the handler may fill
	Lent               // the handler's, which does not change
	Mapped             // the handler's, which only system calls may touch, and which may change
)

// Loan is whose memory Data is.
func (s *State) Loan() Loan { return s.loan }

// Fillable reports whether there is a Data that a handler may write to.
func (s *State) Fillable() bool { return s.Data != nil && s.loan == Own }

// Put makes b the Data, and lets go of the one before.
func (s *State) Put(b *sgv.Buf, l Loan) {
	if s.Data != nil {
		s.Data.Release()
	}
	s.Data, s.loan = b, l
}

// TakeBack lets go of a Data that is lent, so that there is room for another one. It reports
// whether there was one.
func (s *State) TakeBack() bool {
	if s.loan == Own {
		return false
	}
	s.Room = s.Data.Len()
	s.Put(nil, Own)
	return true
}
