//! What happens to a conversation, before it is known which turns and messages it will have: numbers that are taken
//! modulo what is there.

use proptest::prelude::*;

use weir::chat::conversation::OnBusy;
use weir::chat::event::Resolution;
use weir::chat::message::CallState;
use weir::chat::turn::{Placement, Recovery};

#[derive(Debug, Clone)]
pub enum Op {
    Send(Sent),
    /// A model call as it should be: a text, then calls, each part whole or still open, then the end.
    Step {
        turn: usize,
        placement: Placement,
        text: String,
        calls: Vec<bool>,
        ending: Ending,
    },
    /// One output by itself, in whatever order.
    Output {
        turn: usize,
        age: Age,
        output: Output,
    },
    Fail {
        turn: usize,
        age: Age,
        broken: bool,
    },
    /// Something happens to a call.
    Call {
        turn: usize,
        call: usize,
        what: CallOp,
    },
    /// A person looks at another branch.
    Regenerate {
        message: usize,
    },
    DeleteBranch {
        message: usize,
    },
    Switch {
        message: usize,
    },
    DeadlinePassed {
        turn: usize,
    },
    /// Of any turn that ever was.
    Cancel {
        turn: usize,
    },
    Withdraw {
        turn: usize,
    },
    Edit {
        turn: usize,
    },
    Reorder {
        by: usize,
        complete: bool,
    },
    Update,
    Restart,
    Delete,
}

#[derive(Debug, Clone, Copy)]
pub enum CallOp {
    Impossible,
    Denied,
    Allowed { idempotent: bool },
    Ask { approvals: u32 },
    Client,
    Progresses,
    Asks,
    Answers { right: bool },
    NobodyAnswers,
    Succeeds,
    Fails,
    Unknown,
    Vote { user: u8, deny: bool, changes: bool, as_shown: bool },
    Expires,
    ClientSays,
    Resolved,
    Retried,
}

#[derive(Debug, Clone)]
pub struct Sent {
    pub spot: Spot,
    pub on_busy: Option<OnBusy>,
    pub recovery: Recovery,
    pub max_steps: u32,
    pub max_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub enum Spot {
    Head,
    Root,
    /// The leaf of a turn that runs.
    Leaf(usize),
    Message(usize),
    /// A message that the view is switched to, and then the head.
    Switched(usize),
}

#[derive(Debug, Clone, Copy)]
pub enum Ending {
    Finished,
    Broken,
    /// The next step goes on with the message.
    Open,
}

#[derive(Debug, Clone, Copy)]
pub enum Age {
    Current,
    EarlierAttempt,
    EarlierStep,
    LaterAttempt,
}

#[derive(Debug, Clone)]
pub enum Output {
    Opened,
    Message(Placement),
    PartStarted { index: u32, kind: Kind },
    Delta { index: u32, text: String },
    PartCompleted { index: u32 },
    Finished,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text,
    /// A part that comes with the text that should have been its first delta.
    TextBegun,
    Reasoning,
    ToolCall,
    Notice,
}

impl CallOp {
    /// What a person says with it.
    pub const fn resolution(self) -> Resolution {
        match self {
            Self::Retried => Resolution::Retry,
            _ => Resolution::Succeeded,
        }
    }

    /// This, or something like it that may happen to a call in that state.
    pub fn fitting(self, state: CallState) -> Self {
        match (state, self) {
            (CallState::Proposed | CallState::Approved, Self::Succeeds | Self::Fails | Self::Unknown) => {
                Self::Allowed { idempotent: false }
            }
            (CallState::Proposed | CallState::Approved, Self::Vote { .. } | Self::Expires) => {
                Self::Ask { approvals: 1 }
            }
            (CallState::Started, Self::Vote { .. } | Self::Resolved) => Self::Unknown,
            (CallState::Started, Self::Ask { .. } | Self::Allowed { .. }) => Self::Succeeds,
            (CallState::Pending, Self::Ask { .. } | Self::Allowed { .. } | Self::Unknown) => {
                Self::Vote { user: 0, deny: false, changes: false, as_shown: true }
            }
            (CallState::Pending, Self::Succeeds | Self::Fails) => Self::ClientSays,
            (CallState::Unknown, Self::Vote { .. } | Self::Ask { .. } | Self::Succeeds) => Self::Resolved,
            (CallState::Unknown, Self::Allowed { .. }) => Self::Retried,
            (_, what) => what,
        }
    }
}

/// Half of the conversations begin crowded: with branches that take up the slots.
pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let root = sent().prop_map(|sent| Op::Send(Sent { spot: Spot::Root, ..sent }));
    let crowd = prop_oneof![Just(Vec::new()), prop::collection::vec(root, 3..5)];
    (crowd, prop::collection::vec(op(), 1..60)).prop_map(|(crowd, ops)| [crowd, ops].concat())
}

fn op() -> impl Strategy<Value = Op> {
    let turn = 0..8usize;
    prop_oneof![
        12 => sent().prop_map(Op::Send),
        14 => (turn.clone(), placement(), text(), prop::collection::vec(any::<bool>(), 0..3), ending()).prop_map(
            |(turn, placement, text, calls, ending)| Op::Step { turn, placement, text, calls, ending }
        ),
        8 => (turn.clone(), age(), output()).prop_map(|(turn, age, output)| Op::Output { turn, age, output }),
        2 => (turn.clone(), age(), any::<bool>()).prop_map(|(turn, age, broken)| Op::Fail { turn, age, broken }),
        30 => (turn.clone(), 0..4usize, call_op()).prop_map(|(turn, call, what)| Op::Call { turn, call, what }),
        3 => (0..30usize).prop_map(|message| Op::Switch { message }),
        2 => (0..30usize).prop_map(|message| Op::Regenerate { message }),
        1 => (1..30usize).prop_map(|message| Op::DeleteBranch { message }),
        1 => turn.clone().prop_map(|turn| Op::DeadlinePassed { turn }),
        2 => (0..40usize).prop_map(|turn| Op::Cancel { turn }),
        2 => turn.clone().prop_map(|turn| Op::Withdraw { turn }),
        1 => turn.clone().prop_map(|turn| Op::Edit { turn }),
        2 => (0..5usize, prop::bool::weighted(0.9)).prop_map(|(by, complete)| Op::Reorder { by, complete }),
        1 => Just(Op::Update),
        3 => Just(Op::Restart),
        // Most conversations are not deleted, or nothing much happens to them.
        1 => prop::bool::weighted(0.1).prop_map(|delete| if delete { Op::Delete } else { Op::Update }),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    let spot = prop_oneof![
        5 => Just(Spot::Head),
        1 => Just(Spot::Root),
        3 => (0..4usize).prop_map(Spot::Leaf),
        3 => (0..30usize).prop_map(Spot::Message),
        3 => (0..30usize).prop_map(Spot::Switched),
    ];
    let on_busy = prop_oneof![
        3 => Just(None),
        2 => Just(Some(OnBusy::Queue)),
        1 => Just(Some(OnBusy::Reject)),
        1 => Just(Some(OnBusy::Interrupt)),
        3 => Just(Some(OnBusy::Steer)),
    ];
    let recovery = prop_oneof![
        3 => Just(Recovery::Continue),
        2 => Just(Recovery::Restart),
        1 => Just(Recovery::Fail),
    ];
    let max_tokens = prop::option::weighted(0.2, 1..60u64);
    (spot, on_busy, recovery, 1..5u32, max_tokens).prop_map(
        |(spot, on_busy, recovery, max_steps, max_tokens)| Sent {
            spot,
            on_busy,
            recovery,
            max_steps,
            max_tokens,
        },
    )
}

fn placement() -> impl Strategy<Value = Placement> {
    prop_oneof![3 => Just(Placement::Child), 1 => Just(Placement::Sibling)]
}

/// Now and then empty; its bytes are not its characters.
fn text() -> impl Strategy<Value = String> {
    "[aé漢🌊 ]{0,6}"
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![5 => Just(Ending::Finished), 1 => Just(Ending::Broken), 2 => Just(Ending::Open)]
}

fn age() -> impl Strategy<Value = Age> {
    prop_oneof![
        6 => Just(Age::Current),
        1 => Just(Age::EarlierAttempt),
        1 => Just(Age::EarlierStep),
        1 => Just(Age::LaterAttempt),
    ]
}

fn output() -> impl Strategy<Value = Output> {
    let kind = prop_oneof![
        Just(Kind::Text),
        Just(Kind::TextBegun),
        Just(Kind::Reasoning),
        Just(Kind::ToolCall),
        Just(Kind::Notice),
    ];
    let index = 0..3u32;
    prop_oneof![
        1 => Just(Output::Opened),
        3 => placement().prop_map(Output::Message),
        3 => (index.clone(), kind).prop_map(|(index, kind)| Output::PartStarted { index, kind }),
        3 => (index.clone(), text()).prop_map(|(index, text)| Output::Delta { index, text }),
        2 => index.prop_map(|index| Output::PartCompleted { index }),
        1 => Just(Output::Finished),
    ]
}

fn call_op() -> impl Strategy<Value = CallOp> {
    let vote = (0..3u8, prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.9));
    prop_oneof![
        1 => Just(CallOp::Impossible),
        1 => Just(CallOp::Denied),
        3 => any::<bool>().prop_map(|idempotent| CallOp::Allowed { idempotent }),
        4 => (1..3u32).prop_map(|approvals| CallOp::Ask { approvals }),
        1 => Just(CallOp::Client),
        1 => Just(CallOp::Progresses),
        2 => Just(CallOp::Asks),
        2 => prop::bool::weighted(0.8).prop_map(|right| CallOp::Answers { right }),
        1 => Just(CallOp::NobodyAnswers),
        2 => Just(CallOp::Succeeds),
        1 => Just(CallOp::Fails),
        2 => Just(CallOp::Unknown),
        6 => vote.prop_map(|(user, deny, changes, as_shown)| CallOp::Vote { user, deny, changes, as_shown }),
        1 => Just(CallOp::Expires),
        1 => Just(CallOp::ClientSays),
        2 => Just(CallOp::Resolved),
        1 => Just(CallOp::Retried),
    ]
}
