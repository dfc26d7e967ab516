//! The store, with things that only these tests know.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use super::*;
use crate::database::Database;

/// Each letter counts as a byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Recipe(String);

/// Computed from a recipe by a model.
#[derive(Debug, Serialize, Deserialize)]
struct Dish {
    model: u32,
    bytes: usize,
}

impl Storable for Recipe {
    fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl Storable for Dish {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

type Recipes = Store<Recipe, Dish>;

const LIMITS: Limits = Limits {
    entries: 3,
    bytes: 100,
    old_versions: 2,
};

async fn open(folder: &Path) -> Recipes {
    open_shared(folder, None).await
}

async fn open_shared(folder: &Path, shared: Option<Database>) -> Recipes {
    let old = LIMITS.old_versions;
    let backing = Backing::open::<Recipe, Dish>(folder.to_owned(), shared, "recipe", old);
    Store::open(backing.await.unwrap(), LIMITS).await.unwrap()
}

async fn put(store: &Recipes, name: &str, text: &str) -> Arc<Entry<Recipe, Dish>> {
    store
        .put(name, Recipe(text.to_owned()), None)
        .await
        .unwrap()
        .0
}

/// What a model computed; `times` counts the computations.
async fn dish(
    store: &Recipes,
    entry: &Arc<Entry<Recipe, Dish>>,
    (model, bytes): (u32, usize),
    times: &AtomicUsize,
) -> Arc<Dish> {
    let cook = async {
        times.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok::<_, ()>(Dish { model, bytes })
    };
    let done = store
        .computed(entry, |dish| dish.model == model, cook)
        .await;
    done.unwrap()
}

fn models(entry: &Entry<Recipe, Dish>) -> Vec<u32> {
    entry.all_computed().iter().map(|dish| dish.model).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn a_name_is_a_file_s_name() {
    for good in ["a", "line-3.front_left", "2026"] {
        assert!(check_name(good).is_ok(), "{good}");
    }
    for bad in ["", ".", "..", ".hidden", "a/b", "ä", "a b", &"x".repeat(65)] {
        assert!(check_name(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn versions_are_counted_and_the_last_old_ones_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for (text, version) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        assert_eq!(put(&store, "soup", text).await.version, version);
    }
    put(&store, "soup.x", "other").await;
    // The numbers go on after a restart.
    let store = open(folder.path()).await;
    assert_eq!(put(&store, "soup", "e").await.version, 5);
    for (version, text) in [
        (5, Some("e")),
        (4, Some("d")),
        (3, Some("c")),
        (2, None),
        (6, None),
    ] {
        let found = store.version("soup", version).await.unwrap();
        let found = found.map(|entry| (entry.version, entry.definition.0.clone()));
        assert_eq!(found, text.map(|text| (version, text.to_owned())));
    }
    let names = ["soup.json", "soup.x.json", "soup@3.json", "soup@4.json"];
    assert_eq!(files(folder.path()), names);
    assert!(store.delete("soup", |_| ()).await.unwrap());
    assert!(!store.delete("soup", |_| ()).await.unwrap());
    assert_eq!(files(folder.path()), ["soup.x.json"]);
    assert!(store.version("soup", 4).await.unwrap().is_none());
    assert_eq!(put(&store, "soup", "f").await.version, 1);
}

#[tokio::test]
async fn limits_count_what_stays_beside_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let refused = async |name: &str, length| {
        let recipe = Recipe("x".repeat(length));
        store.put(name, recipe, None).await.unwrap_err().to_string()
    };
    put(&store, "a", &"x".repeat(60)).await;
    assert!(refused("b", 41).await.contains("all together"));
    put(&store, "b", &"x".repeat(40)).await;
    // A replaced definition makes room.
    put(&store, "a", &"x".repeat(59)).await;
    put(&store, "c", "x").await;
    assert!(refused("d", 0).await.contains("there are 3 already"));
    assert!(refused("../d", 0).await.contains("is not a name"));
    assert_eq!(store.all().len(), 3);
    assert_eq!(open(folder.path()).await.all().len(), 3);
}

#[tokio::test]
async fn each_model_computes_once_and_the_last_four_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let soup = put(&store, "soup", "x").await;
    let times = AtomicUsize::new(0);
    let (first, second) = tokio::join!(
        dish(&store, &soup, (1, 5), &times),
        dish(&store, &soup, (1, 5), &times)
    );
    assert!(Arc::ptr_eq(&first, &second));
    for model in [2, 1, 2, 1, 3, 4, 1] {
        assert_eq!(dish(&store, &soup, (model, 5), &times).await.model, model);
    }
    assert_eq!(times.load(Ordering::SeqCst), 4);
    dish(&store, &soup, (5, 5), &times).await;
    assert_eq!(models(&soup), [3, 4, 1, 5]);
    assert_eq!(
        models(&open(folder.path()).await.get("soup").unwrap()),
        [3, 4, 1, 5]
    );

    // Another entry has what is left of 100 bytes for models before the last one.
    let stew = put(&store, "stew", "x").await;
    for model in [(1, 50), (2, 35), (3, 500)] {
        dish(&store, &stew, model, &times).await;
    }
    assert_eq!(models(&stew), [1, 2, 3]);
    dish(&store, &stew, (4, 1), &times).await;
    assert_eq!(models(&stew), [4]);
    // Nothing is stored for an entry that is out of use.
    put(&store, "soup", "y").await;
    dish(&store, &soup, (6, 1), &times).await;
    assert!(models(&open(folder.path()).await.get("soup").unwrap()).is_empty());
}

#[tokio::test]
async fn files_of_a_program_that_knew_one_model_are_read_and_it_reads_ours() {
    #[derive(Deserialize)]
    struct OfOneModel {
        definition: Recipe,
        created: u64,
        embedded: Option<Dish>,
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("soup.json");
    let text = r#"{"definition": "x", "created": 7, "embedded": {"model": 1, "bytes": 5}}"#;
    std::fs::write(&file, text).unwrap();
    let store = open(folder.path()).await;
    let soup = store.get("soup").unwrap();
    assert_eq!((soup.version, soup.created, models(&soup)), (0, 7, vec![1]));
    dish(&store, &soup, (2, 5), &AtomicUsize::new(0)).await;
    let old: OfOneModel = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((old.definition, old.created), (Recipe("x".to_owned()), 7));
    assert_eq!(old.embedded.unwrap().model, 2);
    assert_eq!(
        models(&open(folder.path()).await.get("soup").unwrap()),
        [1, 2]
    );
    assert_eq!(put(&store, "soup", "y").await.version, 1);
}

async fn look(store: &Recipes) -> Changes {
    store.read_again(|_| ()).await.unwrap()
}

#[tokio::test]
async fn servers_that_share_a_database_agree() {
    let state = tempfile::tempdir().unwrap();
    let database = Database::in_folder(state.path()).await.unwrap();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // What was in files before moves to the database, which has it once.
    for (folder, text) in [(&one, "first"), (&two, "second")] {
        put(&open(&folder.path().join("recipes")).await, "stew", text).await;
    }
    let open_at = |folder: &tempfile::TempDir| {
        let (folder, database) = (folder.path().join("recipes"), database.clone());
        async move { open_shared(&folder, Some(database)).await }
    };
    let (a, b) = (open_at(&one).await, open_at(&two).await);
    assert_eq!(files(&one.path().join("recipes.moved")), ["stew.json"]);
    assert!(!one.path().join("recipes").exists());
    for store in [&a, &b] {
        assert_eq!(store.get("stew").unwrap().definition.0, "first");
    }

    put(&a, "soup", "x").await;
    assert!(b.get("soup").is_none());
    let found = look(&b).await;
    assert_eq!((found.new, found.changed, found.all), (1, 0, 2));
    assert_eq!(look(&b).await.new, 0);
    let times = AtomicUsize::new(0);
    let soup = b.get("soup").unwrap();
    dish(&b, &soup, (1, 5), &times).await;
    // What was computed is no change, and a third server has it.
    assert_eq!(
        look(&a).await,
        Changes {
            all: 2,
            ..Changes::default()
        }
    );
    let third = tempfile::tempdir().unwrap();
    assert_eq!(models(&open_at(&third).await.get("soup").unwrap()), [1]);

    // Both put the same name: versions go on, and the last one is everywhere.
    assert_eq!(put(&a, "soup", "y").await.version, 2);
    assert_eq!(put(&b, "soup", "z").await.version, 3);
    let stale = a.get("soup").unwrap();
    let replaced = a.replace(&stale, Recipe("stale".to_owned()), None).await;
    assert!(matches!(replaced, Err(StoreError::Changed)));
    // What the other one computes of an old version is not stored for the new one.
    dish(&a, &stale, (2, 5), &times).await;
    assert_eq!(look(&a).await.changed, 1);
    for store in [&a, &b, &open_at(&third).await] {
        let soup = store.get("soup").unwrap();
        assert_eq!((soup.version, soup.definition.0.as_str()), (3, "z"));
        assert!(models(&soup).is_empty());
    }
    let added = a.get("soup").unwrap();
    let added = a
        .replace(&added, Recipe("zz".to_owned()), None)
        .await
        .unwrap();
    assert_eq!(added.version, 4);

    // PUTs to both at the same time: each gets a number of its own.
    look(&b).await;
    let (b, a) = (&b, &a);
    let puts = [a, a, b, b].map(|store| put(store, "soup", "q"));
    let mut versions: Vec<_> = futures_util::future::join_all(puts)
        .await
        .iter()
        .map(|entry| entry.version)
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, [5, 6, 7, 8]);

    look(a).await;
    assert!(a.delete("soup", |_| ()).await.unwrap());
    look(b).await;
    put(a, "soup", "q").await;
    look(b).await;
    assert!(a.delete("soup", |_| ()).await.unwrap());
    let gone = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = gone.clone();
    let removed = move |_: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    assert_eq!(b.read_again(removed).await.unwrap().removed, 1);
    assert_eq!(gone.load(Ordering::SeqCst), 1);
    assert_eq!(put(b, "soup", "again").await.version, 1);
    assert_eq!(put(a, "soup", "and again").await.version, 2);
}
