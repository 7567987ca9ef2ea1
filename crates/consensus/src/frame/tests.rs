//! Every frame reads back, and no bytes make the reader panic.
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn info(id: u64) -> MemberInfo {
    MemberInfo { id, name: "a".into(), link: "b:1".into(), api: "c:2".into() }
}

fn requests() -> Vec<Request> {
    let vote = Vote::new_committed(3, 2);
    let members = Membership::new_with_defaults(vec![BTreeSet::from([1])], []);
    let entry = |index, payload| Entry { log_id: log_id(3, index), payload };
    let record = Record { time: Millis(9), bytes: Bytes::from_static(b"record") };
    let entries =
        vec![entry(5, Payload::Blank), entry(6, Payload::Normal(record)), entry(7, Payload::Membership(members))];
    let ballot = || Ballot { vote: Vote::new(4, 1), last: Some(log_id(3, 7)), transfer: true };
    vec![
        Request::Append(Append { lane: 7, turn: 1, vote, previous: Some(log_id(2, 4)), committed: None, entries }),
        Request::Vote(ballot()),
        Request::PreVote(Ballot { last: None, ..ballot() }),
        Request::Transfer { from: vote, to: 3, last: None },
        Request::Snapshot { vote, offset: 1, total: 5, part: Bytes::from_static(b"part") },
        Request::Forward { epoch: Some(3), record: Bytes::from_static(b"record") },
        Request::ReadIndex,
        Request::Change(Change::Add(info(4))),
        Request::Change(Change::Replace { gone: 1, new: info(4) }),
        Request::Change(Change::Remove(1)),
        Request::Change(Change::Yield(None)),
        Request::Hash { index: 9 },
        Request::Verdict { index: 9, hash: u128::MAX - 1 },
    ]
}

fn answers() -> Vec<Answer> {
    let vote = Vote::new(3, 2);
    vec![
        Answer::Appended,
        Answer::AppendedPart(Some(log_id(1, 2))),
        Answer::Conflict,
        Answer::HigherVote(vote),
        Answer::Voted { vote, granted: true, last: None },
        Answer::Transferred { vote: Some(vote) },
        Answer::SnapshotTaken { vote },
        Answer::Forwarded { index: 7 },
        Answer::NotTaken("no".into()),
        Answer::Doubt("who knows".into()),
        Answer::ReadIndex { index: 8 },
        Answer::Changed { id: 3 },
        Answer::Hash { hash: Some(5) },
        Answer::Refused("no".into()),
        Answer::Noted,
        Answer::Removed,
    ]
}

#[test]
fn every_frame_reads_back() {
    for request in requests() {
        assert_eq!(decode_request(encode_request(&request)).as_ref(), Ok(&request));
    }
    for answer in answers() {
        assert_eq!(decode_answer(encode_answer(&answer)).as_ref(), Ok(&answer));
    }
    assert_eq!(vote_of(vote_bytes(&Vote::new(1, 2))), Ok(Vote::new(1, 2)));
}

#[test]
fn a_cut_frame_and_a_longer_frame_are_refused() {
    for request in requests() {
        let bytes = encode_request(&request);
        for end in 0..bytes.len() {
            assert!(decode_request(bytes.slice(..end)).is_err(), "{request:?} cut at {end}");
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert!(decode_request(longer.into()).is_err());
    }
    let mut other = encode_request(&Request::ReadIndex).to_vec();
    other[0] = VERSION + 1;
    assert_eq!(decode_request(other.into()), Err(Malformed("it is of another version")));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..18) {
        let mut bytes = bytes;
        let _ = (decode_request(bytes.clone().into()), decode_answer(bytes.clone().into()));
        if bytes.len() > 1 {
            bytes[0] = VERSION;
            bytes[1] = kind;
        }
        let _ = (decode_request(bytes.clone().into()), decode_answer(bytes.into()));
    }

    #[test]
    fn one_wrong_byte_is_an_error_or_another_frame(place in any::<prop::sample::Index>(), which in 0usize..13, bits in 1u8..) {
        let mut bytes = encode_request(&requests()[which]).to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= bits;
        let _ = decode_request(bytes.into());
    }
}
