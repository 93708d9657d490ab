//! The tables of `docs/generating.md` say what the catalogue says.

use consistory::generate::{self, Plant, Store};

const DOCUMENT: &str = include_str!("../../../docs/generating.md");

#[test]
fn the_document_has_one_row_for_each_model() {
    let rows: Vec<_> = generate::all()
        .iter()
        .map(|model| {
            let plants: Vec<_> = model.plants.iter().map(|plant| format!("`{plant}`")).collect();
            format!("| `{}` | {} | {} |", model.name, model.functions, plants.join(" "))
        })
        .collect();
    for row in &rows {
        assert!(DOCUMENT.contains(row), "docs/generating.md lacks a row; they are:\n{}", rows.join("\n"));
    }
}

#[test]
fn the_document_explains_each_plant() {
    for plant in Plant::ALL {
        assert!(DOCUMENT.contains(&format!("| `{plant}` |")), "docs/generating.md does not explain '{plant}'");
        let somewhere = generate::all().iter().any(|model| model.plants.contains(&plant));
        assert!(somewhere || Store::plants().contains(&plant), "no model has '{plant}'");
    }
}

#[test]
fn the_document_names_each_store_with_what_it_keeps() {
    for store in generate::stores() {
        assert!(DOCUMENT.contains(&format!("| `{}` | `{}` |", store.name, store.claim)), "{}", store.name);
    }
}
