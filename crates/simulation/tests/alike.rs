//! It does not matter whom one asks: every member of a quiet cluster answers the same bytes, and what one has taken the others show.
use simulation::whole::{Scenario, Sheet, alike};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SITE: &str = "members 3\nnodes 1\nfor 1s\nfaults none\nclocks right\nkeep all\nsessions twin\npod 4m\n\
    machine pull 50ms work 5ms failing 0 crashing 0\n";

#[test]
fn any_member_gives_the_same_answer() {
    let sheet = Sheet::read(SITE).expect("it can be read");
    for seed in 1..4 {
        let found = alike(&Scenario::drawn(seed, &sheet), 400, 40);
        println!("{:?}", found.codes);
        assert!(found.differs.is_empty(), "{} differ:\n{}", found.differs.len(), found.differs.join("\n"));
        assert_eq!(found.read, 40 * 3 * 2);
        let told = |code: u16| found.codes.get(&code).copied().unwrap_or(0);
        assert!(told(200) > 100 && told(404) > 10 && told(400) > 3 && told(403) > 3, "{:?}", found.codes);
    }
}
